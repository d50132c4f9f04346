/* SPDX-License-Identifier: Apache-2.0 */
/* The interrupt controllers as the guest finds them, over a real KVM VM. Skipped where there is no /dev/kvm. MSIs: core_msix_test.c. */
#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/irq.h"
#include "core/kvm.h"

struct fixture {
	struct td_kvm kvm;
	struct td_irq irq;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(td_kvm_init(&f->kvm, NULL), 0);
	assert_int_equal(td_irq_init(&f->irq, &f->kvm, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	td_irq_fini(&f->irq);
	td_kvm_fini(&f->kvm);
	free(f);
	return 0;
}

static struct kvm_pic_state pic(const struct fixture *f, unsigned chip)
{
	struct kvm_irqchip state = {.chip_id = chip};

	assert_int_equal(ioctl(f->kvm.vm_fd, KVM_GET_IRQCHIP, &state), 0);
	return state.chip.pic;
}

/* A kernel that uses the IOAPIC only never touches the PIC: nothing may come from it, with vectors that nobody chose. */
static void pic_is_masked(void **state)
{
	struct fixture *f = *state;

	for (unsigned reset = 0; reset < 2; reset++) {
		assert_int_equal(pic(f, KVM_IRQCHIP_PIC_MASTER).imr, 0xff);
		assert_int_equal(pic(f, KVM_IRQCHIP_PIC_SLAVE).imr, 0xff);
		td_irq_reset(&f->irq);
	}
}

/* A request of the slave that nobody took must not outlive a reset in the master. */
static void reset_forgets_requests(void **state)
{
	struct fixture *f = *state;

	for (unsigned masked = 0; masked < 2; masked++) {
		struct kvm_irqchip slave = {.chip_id = KVM_IRQCHIP_PIC_SLAVE, .chip.pic = {.elcr_mask = 0xde, .imr = masked ? 0xff : 0}};

		assert_int_equal(ioctl(f->kvm.vm_fd, KVM_SET_IRQCHIP, &slave), 0);
		td_irq_pulse(&f->irq, 4);
		td_irq_pulse(&f->irq, 9);
		assert_int_equal(pic(f, KVM_IRQCHIP_PIC_SLAVE).irr, 1 << 1);
		td_irq_reset(&f->irq);
		assert_int_equal(pic(f, KVM_IRQCHIP_PIC_MASTER).irr, 0);
		assert_int_equal(pic(f, KVM_IRQCHIP_PIC_SLAVE).irr, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pic_is_masked, setup, teardown),
		cmocka_unit_test_setup_teardown(reset_forgets_requests, setup, teardown),
	};

	if (access("/dev/kvm", R_OK | W_OK)) {
		printf("SKIP: all of core_irq_test: no /dev/kvm\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
