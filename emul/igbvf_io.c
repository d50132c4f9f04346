/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_io.c - the I/O thread of the software 82576 VF: when it works, waits, sleeps and is parked.
 *
 * Theory of operation. A guest's write to a tail stores it and wakes the thread, by an eventfd only when the thread said that it is going
 * to sleep; the thread looks once more after it has said so. The tap and the eventfd are watched edge-triggered, so neither is read but for
 * frames. Whoever changes the set-up parks the thread first, which it lets happen between two rounds; it holds no lock then.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "emul/igbvf_parts.h"
#include "emul/io_thread.h"

#define EVENTS	      4
#define POLL_NS	      20000U /* after work: how long more is waited for before sleeping */
#define NS_PER_S      1000000000ULL
#define POLLS_IN_VAIN 8U
#define POLL_EACH     32U

static bool asked(const bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

/* With no reason to be awake. */
static bool io_idle(struct td_igbvf *dev)
{
	struct td_igbvf_io *io = &dev->io;

	return !__atomic_load_n(&io->woken, __ATOMIC_SEQ_CST) && !asked(&io->park) && !asked(&io->stop) &&
	       (dev->direct.frozen || !td_igbvf_tx_waiting(&dev->tx)) && !td_igbvf_rx_waiting(&dev->rx);
}

static void io_park(struct td_igbvf_io *io)
{
	pthread_mutex_lock(&io->lock);
	while (io->park && !io->stop) {
		if (!io->parked) {
			io->parked = true;
			pthread_cond_broadcast(&io->changed);
		}
		pthread_cond_wait(&io->changed, &io->lock);
	}
	io->parked = false;
	pthread_mutex_unlock(&io->lock);
}

static void wait_events(struct td_igbvf *dev, uint64_t deadline)
{
	struct td_igbvf_io *io = &dev->io;
	struct epoll_event event[EVENTS];
	struct timespec timeout;
	uint64_t now = deadline == TD_IGBVF_NEVER ? 0 : td_now_ns(), left = deadline > now ? deadline - now : 0;
	int count;

	timeout = (struct timespec){.tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S)};
	count = epoll_pwait2(io->epoll_fd, event, EVENTS, deadline == TD_IGBVF_NEVER ? NULL : &timeout, NULL);
	for (int i = 0; i < count; i++)
		if (event[i].data.fd != io->wake_fd)
			dev->rx.ready = true;
}

/* Sleeps until an event, the deadline or a wake-up. */
static void sleep_until(struct td_igbvf *dev, uint64_t deadline)
{
	struct td_igbvf_io *io = &dev->io;

	__atomic_store_n(&io->sleeping, true, __ATOMIC_SEQ_CST);
	if (io_idle(dev))
		wait_events(dev, deadline);
	__atomic_store_n(&io->sleeping, false, __ATOMIC_SEQ_CST);
}

/*
 * More may come at once: what the guest writes ends the wait, frames don't, for only a system call shows them. So it is time lost with a
 * guest that receives and sends little, and with a slow one: after some waits in vain it is tried now and then.
 */
static bool poll_a_little(struct td_igbvf *dev)
{
	struct td_igbvf_io *io = &dev->io;
	uint64_t until;

	if (io->polls_in_vain >= POLLS_IN_VAIN && ++io->polls_in_vain % POLL_EACH)
		return false;
	until = td_now_ns() + POLL_NS;
	do {
		if (!io_idle(dev)) {
			io->polls_in_vain = 0;
			return true;
		}
		__builtin_ia32_pause();
	} while (td_now_ns() < until);
	io->polls_in_vain++;
	return false;
}

/* Descriptors that were sent and of which the guest was not told: now, or when they are due. */
static uint64_t tell_sent(struct td_igbvf *dev, bool now)
{
	uint32_t queues;
	uint64_t next = td_igbvf_tx_tell(&dev->tx, now, &queues);

	for (unsigned i = 0; queues >> i; i++)
		if (queues >> i & 1)
			td_igbvf_irq_note(&dev->irq, TD_IGBVF_CAUSE_TX(i));
	return next;
}

/* True: something was done. */
static bool io_work(struct td_igbvf *dev)
{
	bool did = false, tell = false;

	td_igbvf_direct_round(dev);
	if (!dev->direct.frozen)
		did = td_igbvf_tx_round(&dev->tx, &dev->io.park);
	did |= td_igbvf_rx_round(&dev->rx, &dev->io.park, &tell);
	if (tell)
		td_igbvf_irq_note(&dev->irq, TD_IGBVF_CAUSE_RX(0));
	return did;
}

static void *io_run(void *opaque)
{
	struct td_igbvf *dev = opaque;
	struct td_igbvf_io *io = &dev->io;

	while (!asked(&io->stop)) {
		uint64_t due, tell;
		bool did;

		if (asked(&io->park)) {
			tell_sent(dev, true);
			io_park(io);
			dev->rx.ready = true;
		}
		__atomic_store_n(&io->woken, false, __ATOMIC_SEQ_CST);
		did = io_work(dev);
		tell = tell_sent(dev, false);
		due = td_igbvf_irq_run(&dev->irq);
		if (did && poll_a_little(dev))
			continue;
		sleep_until(dev, TD_MIN(TD_MIN(due, tell), td_igbvf_direct_nap(dev)));
	}
	return NULL;
}

void td_igbvf_io_wake(struct td_igbvf *dev)
{
	struct td_igbvf_io *io = &dev->io;

	__atomic_store_n(&io->woken, true, __ATOMIC_SEQ_CST);
	if (__atomic_exchange_n(&io->sleeping, false, __ATOMIC_SEQ_CST))
		eventfd_write(io->wake_fd, 1);
}

void td_igbvf_io_hold(struct td_igbvf *dev, uint32_t why)
{
	struct td_igbvf_io *io = &dev->io;
	bool first = !dev->held;

	dev->held |= why;
	if (!first)
		return;
	pthread_mutex_lock(&io->lock);
	__atomic_store_n(&io->park, true, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&io->lock);
	td_igbvf_io_wake(dev);
	pthread_mutex_lock(&io->lock);
	while (io->thread_ready && !io->parked)
		pthread_cond_wait(&io->changed, &io->lock);
	pthread_mutex_unlock(&io->lock);
	td_igbvf_irq_hold(&dev->irq, true);
	td_igbvf_direct_leave(dev);
}

void td_igbvf_io_release(struct td_igbvf *dev, uint32_t why)
{
	struct td_igbvf_io *io = &dev->io;

	if (!dev->held)
		return;
	dev->held &= ~why;
	if (dev->held)
		return;
	td_igbvf_rx_prepare(&dev->rx, td_igbvf_may_run(dev));
	td_igbvf_tx_prepare(&dev->tx, td_igbvf_may_run(dev));
	td_igbvf_irq_hold(&dev->irq, false);
	pthread_mutex_lock(&io->lock);
	__atomic_store_n(&io->park, false, __ATOMIC_SEQ_CST);
	pthread_cond_broadcast(&io->changed);
	pthread_mutex_unlock(&io->lock);
}

static int io_watch(struct td_igbvf_io *io, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = fd};

	return epoll_ctl(io->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int td_igbvf_io_watch_tap(struct td_igbvf *dev, int tap_fd)
{
	return io_watch(&dev->io, tap_fd);
}

int td_igbvf_io_init(struct td_igbvf *dev, int tap_fd, struct td_err *err)
{
	struct td_igbvf_io *io = &dev->io;
	int rc;

	io->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	io->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = io->epoll_fd < 0 || io->wake_fd < 0 ? -errno : io_watch(io, io->wake_fd);
	if (!rc)
		rc = io_watch(io, tap_fd);
	if (!rc)
		rc = td_io_thread_start(&io->thread, td_igbvf_name(dev), io_run, dev);
	io->thread_ready = !rc;
	return rc ? td_err_sys(err, -rc, TD_REASON_SYSTEM, "%s: I/O thread", td_igbvf_name(dev)) : 0;
}

void td_igbvf_io_fini(struct td_igbvf *dev)
{
	struct td_igbvf_io *io = &dev->io;

	if (io->thread_ready) {
		pthread_mutex_lock(&io->lock);
		__atomic_store_n(&io->stop, true, __ATOMIC_SEQ_CST);
		pthread_cond_broadcast(&io->changed);
		pthread_mutex_unlock(&io->lock);
		td_igbvf_io_wake(dev);
		pthread_join(io->thread, NULL);
	}
	io->thread_ready = false;
	td_cleanup_close(&io->epoll_fd);
	td_cleanup_close(&io->wake_fd);
	io->epoll_fd = io->wake_fd = -1;
}
