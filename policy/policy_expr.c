/* SPDX-License-Identifier: Apache-2.0 */
/* policy_expr.c - see policy_expr.h: the reader by recursive descent, bounded in depth, and the evaluation over a small stack. */
#include "policy/policy_expr.h"

#include <errno.h>
#include <string.h>

struct parser {
	const char *text;
	size_t at, token, token_len; /* the token that is looked at; length 0: the end */
	struct td_policy_labels *labels;
	struct td_policy_op *ops;
	unsigned count, depth;
	struct td_policy_slip *slip;
};

/* ---- labels ---- */

static int label_text_find(const char (*texts)[TD_POLICY_LABEL_BYTES], unsigned count, const char *text, size_t len)
{
	for (unsigned i = 0; i < count; i++)
		if (strlen(texts[i]) == len && !memcmp(texts[i], text, len))
			return (int)i;
	return -1;
}

/* -1: no room, or too long. */
static int label_text_add(char (*texts)[TD_POLICY_LABEL_BYTES], unsigned *count, unsigned max, const char *text, size_t len)
{
	int found = label_text_find((const char(*)[TD_POLICY_LABEL_BYTES])texts, *count, text, len);

	if (found >= 0)
		return found;
	if (*count == max || len >= TD_POLICY_LABEL_BYTES)
		return -1;
	memcpy(texts[*count], text, len);
	texts[*count][len] = '\0';
	return (int)(*count)++;
}

int64_t td_policy_labels_value(const struct td_policy_labels *labels, const char *text, size_t len)
{
	int found = label_text_find(labels->value, labels->value_count, text, len);

	return found < 0 ? TD_POLICY_LABEL_OTHER : found;
}

int td_policy_labels_find(const struct td_policy_labels *labels, const char *name, size_t len)
{
	int found = label_text_find(labels->name, labels->name_count, name, len);

	return found < 0 ? -1 : (int)TD_POLICY_FACT_COUNT + found;
}

/* ---- tokens ---- */

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("._-/%:", c));
}

static void next_token(struct parser *parser)
{
	const char *text = parser->text;
	size_t at = parser->at;

	while (text[at] && strchr(" \t\n", text[at]))
		at++;
	parser->token = at;
	if (is_word_char(text[at])) {
		while (is_word_char(text[at]))
			at++;
	} else if (text[at]) {
		at += text[at + 1] == '=' && strchr("=!<>", text[at]) ? 2 : 1;
	}
	parser->token_len = at - parser->token;
	parser->at = at;
}

static bool token_is(const struct parser *parser, const char *word)
{
	return strlen(word) == parser->token_len && !memcmp(parser->text + parser->token, word, parser->token_len);
}

static bool take(struct parser *parser, const char *word)
{
	if (!token_is(parser, word))
		return false;
	next_token(parser);
	return true;
}

static int slip_at_token(struct parser *parser, enum td_reason reason, const char *fmt, ...) TD_PRINTF(3, 4);

static int slip_at_token(struct parser *parser, enum td_reason reason, const char *fmt, ...)
{
	va_list args;

	parser->slip->at = parser->token;
	parser->slip->reason = reason;
	va_start(args, fmt);
	vsnprintf(parser->slip->text, sizeof(parser->slip->text), fmt, args);
	va_end(args);
	return -EINVAL;
}

/* For messages: the token, or "the end"; control characters do not reach a terminal. */
static const char *token_text(const struct parser *parser, char text[60])
{
	size_t len = TD_MIN(parser->token_len, (size_t)48);

	if (!parser->token_len)
		return "the end";
	snprintf(text, 60, "'%.*s'", (int)len, parser->text + parser->token);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	return text;
}

static int put_op(struct parser *parser, struct td_policy_op op)
{
	if (parser->count == TD_POLICY_EXPR_OPS_MAX)
		return slip_at_token(parser, TD_REASON_CONFIG_VALUE, "too long a condition: at most %u comparisons and words between them",
			TD_POLICY_EXPR_OPS_MAX);
	parser->ops[parser->count++] = op;
	return 0;
}

/* ---- comparisons ---- */

static int parse_fact(struct parser *parser, unsigned *ret_fact)
{
	static const char prefix[] = "label.";
	const char *name = parser->text + parser->token;
	size_t len = parser->token_len, skip = sizeof(prefix) - 1;
	int fact = td_policy_facts_find(name, len);
	char quoted[60], known[380] = "";

	if (fact < 0 && len > skip && !memcmp(name, prefix, skip)) {
		int label =
			label_text_add(parser->labels->name, &parser->labels->name_count, TD_POLICY_LABELS_MAX, name + skip, len - skip);

		if (label < 0)
			return slip_at_token(parser, TD_REASON_CONFIG_VALUE, "%s: a policy names at most %u labels, of up to %u characters",
				token_text(parser, quoted), TD_POLICY_LABELS_MAX, TD_POLICY_LABEL_BYTES - 1);
		fact = TD_POLICY_FACT_COUNT + label;
	}
	if (fact < 0) {
		for (unsigned i = 0; i < TD_POLICY_FACT_COUNT; i++) {
			size_t used = strlen(known);

			snprintf(known + used, sizeof(known) - used, "%s, ", td_policy_facts[i].name);
		}
		return slip_at_token(
			parser, TD_REASON_CONFIG_VALUE, "%s is no fact: known here: %slabel.NAME", token_text(parser, quoted), known);
	}
	next_token(parser);
	*ret_fact = (unsigned)fact;
	return 0;
}

static enum td_policy_type type_of(unsigned fact)
{
	return fact < TD_POLICY_FACT_COUNT ? td_policy_facts[fact].type : TD_POLICY_LABEL;
}

static const char *name_of(const struct parser *parser, unsigned fact)
{
	return fact < TD_POLICY_FACT_COUNT ? td_policy_facts[fact].name : parser->labels->name[fact - TD_POLICY_FACT_COUNT];
}

static bool has_set(enum td_policy_type type)
{
	return type == TD_POLICY_BOOL || type == TD_POLICY_WORD || type == TD_POLICY_LABEL;
}

static int parse_value(struct parser *parser, unsigned fact, int64_t *ret_value)
{
	const char *text = parser->text + parser->token;
	char quoted[60], allowed[256] = "a text";
	int64_t value;

	if (type_of(fact) == TD_POLICY_LABEL) {
		if (!parser->token_len || !is_word_char(*text))
			return slip_at_token(
				parser, TD_REASON_CONFIG_VALUE, "%s stands where a label's text is expected", token_text(parser, quoted));
		value = label_text_add(
			parser->labels->value, &parser->labels->value_count, TD_POLICY_LABEL_VALUES, text, parser->token_len);
		if (value < 0)
			return slip_at_token(parser, TD_REASON_CONFIG_VALUE,
				"%s: a policy names at most %u texts of labels, of up to %u characters", token_text(parser, quoted),
				TD_POLICY_LABEL_VALUES, TD_POLICY_LABEL_BYTES - 1);
	} else if (!td_policy_facts_parse((enum td_policy_fact)fact, text, parser->token_len, &value)) {
		td_policy_facts_allowed((enum td_policy_fact)fact, allowed, sizeof(allowed));
		return slip_at_token(parser, TD_REASON_CONFIG_VALUE, "%s is no value of %s: %s", token_text(parser, quoted),
			name_of(parser, fact), allowed);
	}
	*ret_value = value;
	next_token(parser);
	return 0;
}

/* Of words: one more for the set. */
static int parse_member(struct parser *parser, unsigned fact, uint64_t *set)
{
	int64_t value = 0;
	int rc;

	if (take(parser, "unknown")) {
		*set |= TD_POLICY_SET_UNKNOWN;
		return 0;
	}
	rc = parse_value(parser, fact, &value);
	if (!rc)
		*set |= 1ULL << value;
	return rc;
}

static int parse_list(struct parser *parser, unsigned fact, uint64_t *set)
{
	char quoted[60];

	if (!has_set(type_of(fact)))
		return slip_at_token(parser, TD_REASON_CONFIG_VALUE, "%s is a number: compare it with <, <=, > or >=, not with 'in'",
			name_of(parser, fact));
	if (!take(parser, "("))
		return slip_at_token(
			parser, TD_REASON_CONFIG_SYNTAX, "%s stands behind 'in', which takes a list: (a, b)", token_text(parser, quoted));
	for (;;) {
		int rc = parse_member(parser, fact, set);

		if (rc || take(parser, ")"))
			return rc;
		if (!take(parser, ","))
			return slip_at_token(
				parser, TD_REASON_CONFIG_SYNTAX, "%s stands where ',' or ')' is expected", token_text(parser, quoted));
	}
}

static int parse_equality(struct parser *parser, unsigned fact, struct td_policy_op *op)
{
	if (has_set(type_of(fact)))
		return parse_member(parser, fact, &op->set);
	if (take(parser, "unknown")) {
		op->kind = TD_POLICY_OP_UNKNOWN;
		return 0;
	}
	op->kind = TD_POLICY_OP_EQ;
	return parse_value(parser, fact, &op->value);
}

static int parse_order(struct parser *parser, unsigned fact, struct td_policy_op *op)
{
	bool greater = parser->text[parser->token] == '>', equal = parser->token_len == 2;

	if (has_set(type_of(fact)))
		return slip_at_token(
			parser, TD_REASON_CONFIG_VALUE, "%s has no order: compare it with ==, != or in", name_of(parser, fact));
	op->kind = greater == equal ? TD_POLICY_OP_LT : TD_POLICY_OP_LE; /* >= is "not <" */
	op->negated = greater;
	next_token(parser);
	return parse_value(parser, fact, &op->value);
}

static int parse_operator(struct parser *parser, unsigned fact, struct td_policy_op *op)
{
	char quoted[60];

	op->negated = take(parser, "not");
	if (take(parser, "in"))
		return parse_list(parser, fact, &op->set);
	if (op->negated)
		return slip_at_token(
			parser, TD_REASON_CONFIG_SYNTAX, "%s stands behind 'not', where 'in' is expected", token_text(parser, quoted));
	if (token_is(parser, "==") || token_is(parser, "!=")) {
		op->negated = token_is(parser, "!=");
		next_token(parser);
		return parse_equality(parser, fact, op);
	}
	if (token_is(parser, "<") || token_is(parser, "<=") || token_is(parser, ">") || token_is(parser, ">="))
		return parse_order(parser, fact, op);
	if (type_of(fact) == TD_POLICY_BOOL) {
		op->set = 1ULL << 1;
		return 0;
	}
	if (token_is(parser, "="))
		return slip_at_token(parser, TD_REASON_CONFIG_SYNTAX, "'=' compares nothing: write ==");
	return slip_at_token(parser, TD_REASON_CONFIG_SYNTAX, "%s stands behind %s: compare it: ==, !=, %s", token_text(parser, quoted),
		name_of(parser, fact), has_set(type_of(fact)) ? "in (a, b)" : "<, <=, >, >=");
}

static int parse_comparison(struct parser *parser)
{
	struct td_policy_op op = {.kind = TD_POLICY_OP_IN, .at = (uint16_t)parser->token};
	unsigned fact = 0;
	int rc = parse_fact(parser, &fact);

	if (rc)
		return rc;
	op.fact = (uint8_t)fact;
	rc = parse_operator(parser, fact, &op);
	if (rc)
		return rc;
	size_t end = parser->token; /* of the token behind it, less the space before that */
	while (end > op.at && strchr(" \t\n", parser->text[end - 1]))
		end--;
	op.len = (uint16_t)(end - op.at);
	return put_op(parser, op);
}

/* ---- and, or, not ---- */

static int parse_or(struct parser *parser);

static int parse_factor(struct parser *parser)
{
	char quoted[60];
	int rc;

	if (parser->depth == TD_POLICY_EXPR_DEPTH)
		return slip_at_token(parser, TD_REASON_CONFIG_VALUE, "too deep: at most %u parentheses and nots", TD_POLICY_EXPR_DEPTH);
	parser->depth++;
	if (take(parser, "not")) {
		rc = parse_factor(parser);
		if (!rc)
			rc = put_op(parser, (struct td_policy_op){.kind = TD_POLICY_OP_NOT});
	} else if (take(parser, "(")) {
		rc = parse_or(parser);
		if (!rc && !take(parser, ")"))
			rc = slip_at_token(parser, TD_REASON_CONFIG_SYNTAX, "%s stands where 'and', 'or' or ')' is expected",
				token_text(parser, quoted));
	} else if (!parser->token_len || !is_word_char(parser->text[parser->token])) {
		rc = slip_at_token(parser, TD_REASON_CONFIG_SYNTAX, "%s stands where a fact is expected", token_text(parser, quoted));
	} else {
		rc = parse_comparison(parser);
	}
	parser->depth--;
	return rc;
}

static int parse_and(struct parser *parser)
{
	int rc = parse_factor(parser);

	while (!rc && take(parser, "and")) {
		rc = parse_factor(parser);
		if (!rc)
			rc = put_op(parser, (struct td_policy_op){.kind = TD_POLICY_OP_AND});
	}
	return rc;
}

static int parse_or(struct parser *parser)
{
	int rc = parse_and(parser);

	while (!rc && take(parser, "or")) {
		rc = parse_and(parser);
		if (!rc)
			rc = put_op(parser, (struct td_policy_op){.kind = TD_POLICY_OP_OR});
	}
	return rc;
}

int td_policy_expr_parse(
	const char *text, struct td_policy_labels *labels, struct td_policy_op ret_ops[TD_POLICY_EXPR_OPS_MAX], struct td_policy_slip *slip)
{
	struct parser parser = {.text = text, .labels = labels, .ops = ret_ops, .slip = slip};
	char quoted[60];
	int rc;

	if (strlen(text) >= TD_POLICY_EXPR_BYTES)
		return slip_at_token(
			&parser, TD_REASON_CONFIG_VALUE, "too long a condition: at most %u characters", TD_POLICY_EXPR_BYTES - 1);
	next_token(&parser);
	rc = parse_or(&parser);
	if (!rc && parser.token_len)
		rc = slip_at_token(&parser, TD_REASON_CONFIG_SYNTAX, "%s stands where 'and', 'or' or the end is expected",
			token_text(&parser, quoted));
	return rc ? rc : (int)parser.count;
}

/* ---- evaluation ---- */

static enum td_policy_truth negate_if(bool negated, enum td_policy_truth truth)
{
	return negated ? (enum td_policy_truth)(TD_POLICY_YES - truth) : truth;
}

static enum td_policy_truth truth_of(bool holds)
{
	return holds ? TD_POLICY_YES : TD_POLICY_NO;
}

enum td_policy_truth td_policy_expr_comparison(const struct td_policy_op *op, const int64_t *value, uint64_t known)
{
	bool is_known = known >> op->fact & 1;
	enum td_policy_truth truth = TD_POLICY_MAYBE;

	if (op->kind == TD_POLICY_OP_UNKNOWN)
		truth = truth_of(!is_known);
	else if (!is_known)
		truth = op->kind == TD_POLICY_OP_IN && op->set & TD_POLICY_SET_UNKNOWN ? TD_POLICY_YES : TD_POLICY_MAYBE;
	else if (op->kind == TD_POLICY_OP_IN)
		/* Asked whether it is unknown and nothing else, or for words among which it is: either way it is known. */
		truth = truth_of(op->set >> value[op->fact] & 1);
	else if (op->kind == TD_POLICY_OP_EQ)
		truth = truth_of(value[op->fact] == op->value);
	else if (op->kind == TD_POLICY_OP_LT)
		truth = truth_of(value[op->fact] < op->value);
	else
		truth = truth_of(value[op->fact] <= op->value);
	return negate_if(op->negated, truth);
}

/*
 * A stack of truths as two stacks of bits, the top lowest: is it yes, and may it be? There are fewer ops than bits. No condition: always.
 */
enum td_policy_truth td_policy_expr_eval(const struct td_policy_op *ops, unsigned count, const int64_t *value, uint64_t known)
{
	uint64_t yes = !count, may = !count, before;
	enum td_policy_truth truth;

	for (const struct td_policy_op *op = ops; op < ops + count; op++) {
		switch (op->kind) {
		case TD_POLICY_OP_AND:
			yes = yes >> 1 & (~1ULL | yes);
			may = may >> 1 & (~1ULL | may);
			break;
		case TD_POLICY_OP_OR:
			yes = yes >> 1 | (yes & 1);
			may = may >> 1 | (may & 1);
			break;
		case TD_POLICY_OP_NOT:
			before = yes;
			yes = (yes & ~1ULL) | (~may & 1);
			may = (may & ~1ULL) | (~before & 1);
			break;
		default:
			truth = td_policy_expr_comparison(op, value, known);
			yes = yes << 1 | (truth == TD_POLICY_YES);
			may = may << 1 | (truth != TD_POLICY_NO);
		}
	}
	if (yes & 1)
		return TD_POLICY_YES;
	return may & 1 ? TD_POLICY_MAYBE : TD_POLICY_NO;
}
