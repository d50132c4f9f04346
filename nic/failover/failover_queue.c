/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failover_queue.c - a transmit queue that igbvf has left stopped, in mode failover.
 *
 * At the end of its probe igbvf takes its carrier away and then stops its queue, though net_failover has opened it long before. A look for
 * its link that falls between the two gives the carrier back first: what the guest sends then waits in a queue that nothing starts, until
 * the kernel's watchdog resets the VF after 5 s. igbvf starts its queue whenever it finds a carrier that it had lost. So when it may have
 * looked at that moment, and nothing is sent since, neither by the VF nor by the standby, it is made to lose its carrier and to find it
 * again. A guest that sends nothing looks like that, too, and bears it, twice after each probe at most: its standby is there meanwhile.
 * (One that sends in the very moment may have igbvf reset the VF: it does so when it finds descriptors that were not sent yet and no link.)
 */
#include "core/log.h"
#include "nic/failover/failover.h"

#define STALL_NS 200000000ULL
#define SURE_NS	 100000000ULL  /* what is sent so long after a look is sent by a queue that runs, once the probe has ended */
#define ENDED_NS 1000000000ULL /* as it has so long after the opening, unless the guest does not run */
#define PROBE_NS 5000000000ULL /* and even then */
#define AWAY_NS	 30000000ULL   /* a look is due one jiffy after its interrupt */
#define TRIES	 2U	       /* in case that its CPUs did not come to look while there was no link */

void td_failover_queue_forget(struct td_hybrid *nic)
{
	td_failover_of(nic)->queue = (struct td_failover_queue){.is_new = true};
}

void td_failover_queue_opened(struct td_hybrid *nic, uint64_t now_ns)
{
	struct td_failover *f = td_failover_of(nic);
	struct td_vfio_counters vf;

	if (!f->queue.is_new || !td_vfio_pci_is_82576(nic->vf))
		return;
	td_vfio_pci_counters(nic->vf, &vf);
	f->queue = (struct td_failover_queue){.opened_ns = now_ns, .looked_ns = now_ns, .sent = vf.tx_packets};
}

void td_failover_queue_looked(struct td_hybrid *nic, uint64_t now_ns)
{
	struct td_failover *f = td_failover_of(nic);

	if (f->queue.looked_ns || now_ns - f->queue.opened_ns < PROBE_NS)
		f->queue.looked_ns = now_ns;
}

static void look_at_sent(struct td_hybrid *nic, uint64_t now_ns)
{
	struct td_failover_queue *queue = &td_failover_of(nic)->queue;
	struct td_vfio_counters vf;

	td_vfio_pci_counters(nic->vf, &vf);
	if (vf.tx_packets == queue->sent)
		return;
	queue->sent = vf.tx_packets;
	queue->sent_ns = now_ns;
	if (now_ns - queue->looked_ns < SURE_NS || now_ns - queue->opened_ns < ENDED_NS)
		return;
	queue->looked_ns = 0;
	queue->tries = 0;
}

/* Who sends goes to the standby meanwhile. */
static void take_link(struct td_hybrid *nic, uint64_t now_ns)
{
	struct td_failover *f = td_failover_of(nic);

	if (!td_vfio_pci_show_link(nic->vf, false))
		return;
	f->queue.away_ns = now_ns;
	if (f->state == TD_FS_ON_VF)
		td_failover_event(nic, TD_FE_USED);
}

static void give_link(struct td_hybrid *nic, uint64_t now_ns)
{
	struct td_failover_queue *queue = &td_failover_of(nic)->queue;

	(void)td_vfio_pci_show_link(nic->vf, true);
	queue->away_ns = 0;
	queue->sent_ns = now_ns;
	queue->tries++;
	td_debug("nic %s: igbvf sent nothing by the VF: it was made to start its queue", nic->config->id);
}

void td_failover_queue_end(struct td_hybrid *nic)
{
	if (td_failover_of(nic)->queue.away_ns)
		give_link(nic, td_now_ns());
}

void td_failover_queue_give_due(struct td_hybrid *nic, uint64_t now_ns)
{
	struct td_failover *f = td_failover_of(nic);

	if (f->queue.away_ns && now_ns - f->queue.away_ns >= AWAY_NS << (2 * f->queue.tries))
		give_link(nic, now_ns);
}

void td_failover_queue_look(struct td_hybrid *nic, uint64_t now_ns)
{
	struct td_failover *f = td_failover_of(nic);
	struct td_failover_queue *queue = &f->queue;

	if (!td_vfio_pci_is_82576(nic->vf))
		return;
	look_at_sent(nic, now_ns);
	td_failover_queue_give_due(nic, now_ns);
	if (queue->away_ns || !queue->looked_ns || queue->tries == TRIES)
		return;
	if (now_ns - TD_MAX(TD_MAX(queue->sent_ns, f->stood_by_ns), f->ring.open_ns) >= STALL_NS)
		take_link(nic, now_ns);
}
