/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_pci_plain.c - the transport's ops for devices that have nothing to do there: explicit, as all ops are mandatory. */
#include "emul/virtio_pci.h"

bool td_virtio_pci_any_features(const struct td_virtio_pci *dev, uint64_t features)
{
	(void)dev;
	(void)features;
	return true;
}

int td_virtio_pci_no_start(struct td_virtio_pci *dev)
{
	(void)dev;
	return 0;
}

int td_virtio_pci_no_stop(struct td_virtio_pci *dev, enum td_virtio_stop how)
{
	(void)dev;
	(void)how;
	return 0;
}

void td_virtio_pci_no_act(struct td_virtio_pci *dev)
{
	(void)dev;
}

void td_virtio_pci_no_vector_act(struct td_virtio_pci *dev, unsigned queue)
{
	(void)dev;
	(void)queue;
}
