/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_kmod.h - kernel modules, by libkmod. The library is opened when a module is to be loaded and not linked: a VM's process has no use
 * for it, and would map it and what it needs (libcrypto, libzstd, liblzma).
 */
#ifndef TD_HOST_PROVISION_HOST_KMOD_H
#define TD_HOST_PROVISION_HOST_KMOD_H

#include "core/base.h"
#include "core/err.h"

enum td_host_kmod_state {
	TD_HOST_KMOD_LOADED,   /* or built into the kernel */
	TD_HOST_KMOD_KNOWN,    /* this kernel has it */
	TD_HOST_KMOD_NONE,     /* it has none of this name, or the file is missing */
	TD_HOST_KMOD_DISABLED, /* it has it, and loads none any more (kernel.modules_disabled) */
	TD_HOST_KMOD_UNSURE    /* libkmod is missing */
};

enum td_host_kmod_state td_host_kmod_look(const char *name);
/*
 * Loads a module with what it needs, by its name or by a device's modalias ("pci:v00008086d..."), as modprobe does; bonding without the
 * bonds that it makes by itself. TD_REASON_MODULE.
 */
int td_host_kmod_load(const char *name, struct td_err *err);

#endif
