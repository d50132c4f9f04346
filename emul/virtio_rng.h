/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_rng.h - a virtio 1.x entropy device (virtio 1.2 §5.4) fed by getrandom(2). */
#ifndef TD_EMUL_VIRTIO_RNG_H
#define TD_EMUL_VIRTIO_RNG_H

#include "core/err.h"

struct td_vm;

int td_virtio_rng_create(struct td_vm *vm, const char *name, struct td_err *err);

#endif
