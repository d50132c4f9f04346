/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_watch.h - tells when a network's uplink goes on by another way: a team changes its active member (the kernel says so by rtnetlink,
 * IFLA_EVENT). The switch outside then has the VMs' addresses at the old port until they are told anew, and bonding tells only the host's
 * own. What to tell is the caller's.
 */
#ifndef TD_HOST_HOST_WATCH_H
#define TD_HOST_HOST_WATCH_H

#include "core/base.h"
#include "core/err.h"

/* *ret_fd does not block, and is the caller's to close. */
int td_host_watch_open(int *ret_fd, struct td_err *err);
/* Reads what waits. true: a link below the bridge has moved, or so much was said that it may have. */
bool td_host_watch_read(int fd, const char *bridge);

#endif
