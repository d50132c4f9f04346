/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_record.h - a doctor_tree.h's store as it may leave the host. The filters of doctor_files.h have let in numbers, names of drivers
 * and words of the kernel; what is left that could tell whose host it is are names: of interfaces and of configuration files. Those that
 * hold a MAC or the host's name are masked, each the same everywhere, so that the record yields the same findings. MAC and IP addresses in
 * text are masked too, should a filter ever let one in.
 */
#ifndef TD_HOST_DOCTOR_DOCTOR_RECORD_H
#define TD_HOST_DOCTOR_DOCTOR_RECORD_H

#include "host/doctor/doctor_store.h"

/* *ret_masked: zero before; the caller's to free. host_name: "" when there is none to hide. -ENOMEM alone. */
int td_doctor_record_mask(const struct td_doctor_store *store, const char *host_name, struct td_doctor_store *ret_masked);
/* Masked, into `target`, as td_doctor_store_save(). */
int td_doctor_record_save(const struct td_doctor_store *store, const char *target, struct td_err *err);

#endif
