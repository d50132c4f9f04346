/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_proof.c - what shows that frames pass on the path that a flip has led to. On the emulated path it is the NIC's own announcement,
 * seen where it leaves the network; on the VF, its counter of what the guest has sent. Where neither can be seen, or nothing was sent, the
 * flip is done all the same, and its record says `unproven`.
 */
#include <errno.h>
#include <net/if.h>

#include "nic/hybrid_parts.h"

#define AGAIN_NS  20000000ULL /* the announcement may have been before its witness, or is lost */
#define ENOUGH_NS 100000000ULL

const char *td_hybrid_proof_name(enum td_hybrid_proof proof)
{
	static const char *const names[] = {
		[TD_PROOF_NONE] = "unproven", [TD_PROOF_ANNOUNCEMENT] = "announcement-seen", [TD_PROOF_COUNTER] = "counter"};

	return names[proof];
}

/* ---- to the emulated path ---- */

static void close_witness(struct td_hybrid *nic)
{
	if (!nic->witness.job.busy)
		td_witness_close(&nic->witness.witness);
}

/* Too late for its flip: nobody looks at it any more. */
static void witness_is_open(struct td_job *job)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(job, struct td_hybrid, witness.job);

	if (!nic->witness_wanted)
		close_witness(nic);
}

static void open_witness(struct td_hybrid *nic)
{
	struct td_host_call *call = &nic->witness;

	if (!nic->config->bridge || call->job.busy)
		return;
	td_witness_close(&call->witness);
	*call = (struct td_host_call){.job.done = witness_is_open, .kind = TD_HOST_CALL_WITNESS};
	snprintf(call->port.bridge, sizeof(call->port.bridge), "%s", nic->config->bridge);
	memcpy(call->mac, nic->config->mac, sizeof(call->mac));
	nic->witness_wanted = true;
	td_host_call_submit(&nic->host.vm->jobs, call);
}

/* Phase VERIFY is over when the announcement was seen, or was not in time. */
static bool verify_is_over(struct td_hybrid *nic)
{
	uint64_t waited_ns = td_now_ns() - nic->flip.phase_started_ns;

	if (!nic->witness.job.busy && td_witness_saw(&nic->witness.witness))
		nic->proof = TD_PROOF_ANNOUNCEMENT;
	if (nic->proof != TD_PROOF_NONE || !nic->witness_wanted || waited_ns >= ENOUGH_NS)
		return true;
	if (!nic->witness.job.busy && !nic->witness.witness.count)
		return true; /* there is nothing to be seen by */
	if (waited_ns >= AGAIN_NS && !nic->announced_again) {
		nic->announced_again = true;
		td_hybrid_announce(nic, TD_PATH_EMULATED);
	}
	return false;
}

void td_hybrid_proof_hurry(struct td_hybrid *nic)
{
	if (!nic->verifying)
		return;
	nic->verifying = false;
	(void)td_flip_done(&nic->flip, TD_FLIP_VERIFY);
}

void td_hybrid_proof_announce(struct td_hybrid *nic)
{
	if (!nic->witness.job.busy)
		(void)td_witness_saw(&nic->witness.witness);
}

void td_hybrid_proof_tick(struct td_hybrid *nic)
{
	if (nic->verifying && verify_is_over(nic))
		td_hybrid_proof_hurry(nic);
}

/* ---- of either ---- */

void td_hybrid_proof_begin(struct td_hybrid *nic, enum td_path to)
{
	nic->proof = TD_PROOF_NONE;
	nic->announced_again = false;
	nic->sent_by_vf = td_hybrid_sent_by_vf(nic);
	if (to == TD_PATH_EMULATED)
		open_witness(nic);
}

int td_hybrid_proof_verify(struct td_hybrid *nic)
{
	nic->verifying = !verify_is_over(nic);
	return nic->verifying ? -EINPROGRESS : 0;
}

void td_hybrid_proof_end(struct td_hybrid *nic)
{
	nic->witness_wanted = nic->verifying = false;
	close_witness(nic);
}

enum td_hybrid_proof td_hybrid_proof(struct td_hybrid *nic, enum td_path to)
{
	if (to == TD_PATH_VF && nic->path == TD_PATH_VF && !nic->uncounted && td_hybrid_sent_by_vf(nic) > nic->sent_by_vf)
		nic->proof = TD_PROOF_COUNTER;
	return nic->proof;
}
