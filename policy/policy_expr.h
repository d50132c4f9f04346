/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_expr.h - conditions: "vf.health in (no-carrier, pf-down) and not maintenance" to a flat program, and its value. Pure.
 *
 *   condition  = term {"or" term}        term = factor {"and" factor}        factor = "not" factor | "(" condition ")" | comparison
 *   comparison = FACT                                      one that is yes or no
 *              | FACT ("==" | "!=") (VALUE | "unknown")
 *              | FACT ("<" | "<=" | ">" | ">=") VALUE      numbers
 *              | FACT ["not"] "in" "(" VALUE {"," VALUE} ")"    words and labels; VALUE may be "unknown"
 *
 * Values are three: no, unknown, yes (Kleene's logic: `and` is the least of them, `or` the greatest). A comparison with a fact that is
 * unknown is unknown, unless it asks for that.
 */
#ifndef TD_POLICY_POLICY_EXPR_H
#define TD_POLICY_POLICY_EXPR_H

#include "policy/policy_facts.h"

enum td_policy_truth { TD_POLICY_NO, TD_POLICY_MAYBE, TD_POLICY_YES };

#define TD_POLICY_LABELS_MAX   16U /* names of labels in a policy */
#define TD_POLICY_FACTS_MAX    (TD_POLICY_FACT_COUNT + TD_POLICY_LABELS_MAX)
#define TD_POLICY_LABEL_VALUES 60U /* texts of labels in a policy: 0..59 */
#define TD_POLICY_LABEL_OTHER  61  /* any text that the policy does not name */
#define TD_POLICY_LABEL_NONE   62  /* the NIC has no such label */
#define TD_POLICY_LABEL_BYTES  48
#define TD_POLICY_SET_UNKNOWN  (1ULL << 63)
#define TD_POLICY_EXPR_OPS_MAX 64U
#define TD_POLICY_EXPR_BYTES   1024U
#define TD_POLICY_EXPR_DEPTH   16U

enum td_policy_op_kind {
	TD_POLICY_OP_IN,      /* words, labels, yes and no: the value's bit is in `set`, TD_POLICY_SET_UNKNOWN stands for unknown */
	TD_POLICY_OP_UNKNOWN, /* numbers: it is */
	TD_POLICY_OP_EQ,
	TD_POLICY_OP_LT,
	TD_POLICY_OP_LE,
	TD_POLICY_OP_AND, /* of the two values before */
	TD_POLICY_OP_OR,
	TD_POLICY_OP_NOT,
};

/* In postfix order. `>` is LE negated, `!=` EQ or IN negated. */
struct td_policy_op {
	uint8_t kind, fact;
	bool negated;
	uint16_t at, len; /* of a comparison in the condition's text */
	union {
		int64_t value;
		uint64_t set;
	};
};

/* Names and texts of labels that conditions speak of; shared by all conditions of a policy. */
struct td_policy_labels {
	unsigned name_count, value_count;
	char name[TD_POLICY_LABELS_MAX][TD_POLICY_LABEL_BYTES];
	char value[TD_POLICY_LABEL_VALUES][TD_POLICY_LABEL_BYTES];
};

/* Where in the text something is wrong, and what. */
struct td_policy_slip {
	size_t at;
	enum td_reason reason;
	char text[400];
};

/* The number of ops in ret_ops, or -EINVAL with *slip. */
int td_policy_expr_parse(const char *text, struct td_policy_labels *labels, struct td_policy_op ret_ops[TD_POLICY_EXPR_OPS_MAX],
	struct td_policy_slip *slip);

/* known: a bit a fact. What is not known has no value. */
enum td_policy_truth td_policy_expr_comparison(const struct td_policy_op *op, const int64_t *value, uint64_t known);
enum td_policy_truth td_policy_expr_eval(const struct td_policy_op *ops, unsigned count, const int64_t *value, uint64_t known);

static inline bool td_policy_op_compares(const struct td_policy_op *op)
{
	return op->kind < TD_POLICY_OP_AND;
}

/* TD_POLICY_LABEL_OTHER: the policy does not name it. */
int64_t td_policy_labels_value(const struct td_policy_labels *labels, const char *text, size_t len);
/* The fact label.NAME; -1: the policy does not name it. name: without "label.". */
int td_policy_labels_find(const struct td_policy_labels *labels, const char *name, size_t len);

#endif
