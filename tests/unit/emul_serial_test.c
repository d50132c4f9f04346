/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emul_serial_test.c - the UART as drivers probe and use it, and its host side over a FIFO and a PTY. There is no KVM behind: interrupts
 * are seen in the identification register.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "emul/serial.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH, FCR = 2 };

struct fixture {
	struct td_vm vm;
	struct td_serial *serial;
	struct td_timer timer;
	char dir[32], path[48];
	int reader;
};

static struct fixture *f;

static void make_port(enum td_serial_kind kind, const char *path)
{
	struct td_serial_config config = {.kind = kind, .path = path};
	struct td_err err = {0};

	if (td_serial_create(&f->vm, "serial0", &config, &f->serial, &err) < 0)
		fail_msg("%s", err.text);
}

/* As much of a VM as a serial port sees. */
static int set_up(void **state)
{
	struct td_err err = {0};

	(void)state;
	f = calloc(1, sizeof(*f));
	f->vm.devices_tail = &f->vm.devices;
	f->vm.kvm.vm_fd = -1;
	f->vm.irq.kvm = &f->vm.kvm;
	td_lock_init(&f->vm.lock);
	f->reader = -1;
	snprintf(f->dir, sizeof(f->dir), "/tmp/tandem-serial-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/out", f->dir);
	return td_loop_init(&f->vm.loop, &f->vm.lock, &err);
}

static int tear_down(void **state)
{
	(void)state;
	if (f->vm.devices)
		f->vm.devices->ops->destroy(f->vm.devices);
	td_bus_fini(&f->vm.pio);
	td_loop_fini(&f->vm.loop);
	if (f->reader >= 0)
		close(f->reader);
	unlink(f->path);
	rmdir(f->dir);
	free(f);
	return 0;
}

static uint8_t in(unsigned reg)
{
	struct td_access access = {.offset = TD_SERIAL_PORT + reg, .width = 1};

	assert_int_equal(td_bus_dispatch(&f->vm.pio, &access), TD_DONE);
	return (uint8_t)access.value;
}

static void out(unsigned reg, uint8_t value)
{
	struct td_access access = {.offset = TD_SERIAL_PORT + reg, .width = 1, .write = true, .value = value};

	assert_int_equal(td_bus_dispatch(&f->vm.pio, &access), TD_DONE);
}

static void print(const char *text)
{
	for (; *text; text++)
		out(DATA, (uint8_t)*text);
}

static void stop_loop(struct td_timer *timer)
{
	(void)timer;
	td_loop_stop(&f->vm.loop);
}

static void run_loop_ms(unsigned ms)
{
	f->timer.expired = stop_loop;
	td_loop_arm(&f->vm.loop, &f->timer, ms * 1000000ULL);
	td_loop_run(&f->vm.loop);
}

/* The port writes into a FIFO that we read. */
static void make_fifo_port(void)
{
	assert_int_equal(mkfifo(f->path, 0600), 0);
	f->reader = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	make_port(TD_SERIAL_FILE, f->path);
}

static const char *read_all(void)
{
	static char text[4096];
	ssize_t r = read(f->reader, text, sizeof(text) - 1);

	text[r > 0 ? r : 0] = '\0';
	return text;
}

static void answers_as_linux_probes(void **state)
{
	(void)state;
	make_port(TD_SERIAL_NULL, NULL);
	/* The scratch register and IER keep their bits, and IER only its own. */
	out(SCRATCH, 0xa5);
	assert_int_equal(in(SCRATCH), 0xa5);
	out(IER, 0xff);
	assert_int_equal(in(IER), 0x0f);
	out(IER, 0);
	assert_int_equal(in(IER), 0);
	/* Loop-back: outputs come back as inputs. */
	out(MCR, 0x10 | 0x0a);
	assert_int_equal(in(MSR)&0xf0, 0x90);
	out(MCR, 0x10 | 0x05);
	assert_int_equal(in(MSR)&0xf0, 0x60);
	out(MCR, 0);
	assert_int_equal(in(MSR), 0xb0);
	/* FIFOs are there when they are switched on: a 16550A, and no 16750. */
	assert_int_equal(in(IIR), 0x01);
	out(FCR, 0x01);
	assert_int_equal(in(IIR), 0xc1);
	out(LCR, 0x80);
	out(FCR, 0x21);
	assert_int_equal(in(IIR)&0x20, 0);
	/* The divisor has its own registers. */
	out(DATA, 0x34);
	out(IER, 0x12);
	assert_int_equal(in(DATA), 0x34);
	assert_int_equal(in(IER), 0x12);
	out(LCR, 3);
	assert_int_equal(in(IER), 0);
	assert_int_equal(in(LSR), 0x60);
}

static void transmitter_empty_is_told_once_for_each_reason(void **state)
{
	(void)state;
	make_port(TD_SERIAL_NULL, NULL);
	assert_int_equal(in(IIR), 0x01);
	out(IER, 2);
	assert_int_equal(in(IIR), 0x02);
	assert_int_equal(in(IIR), 0x01); /* reading it was the acknowledgement */
	out(IER, 0);
	out(IER, 2);
	assert_int_equal(in(IIR), 0x02); /* switched on anew: told anew */
	out(DATA, 'a');
	assert_int_equal(in(IIR), 0x02);
	assert_int_equal(in(IIR), 0x01);
	out(IER, 0);
	out(DATA, 'a');
	assert_int_equal(in(IIR), 0x01);
}

static void loop_back_returns_what_was_sent(void **state)
{
	(void)state;
	make_port(TD_SERIAL_NULL, NULL);
	out(FCR, 1);
	out(MCR, 0x10);
	for (unsigned i = 0; i < 16; i++)
		out(DATA, (uint8_t)(i + 1));
	assert_int_equal(in(LSR), 0x61);
	out(DATA, 99);
	assert_int_equal(in(LSR), 0x63); /* one too many */
	assert_int_equal(in(LSR), 0x61); /* and said once */
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(in(DATA), i + 1);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(DATA), 0);
	out(DATA, 5);
	out(FCR, 3); /* clears the receiver */
	assert_int_equal(in(LSR), 0x60);
	out(FCR, 0); /* no FIFO: room for one */
	out(DATA, 1);
	out(DATA, 2);
	assert_int_equal(in(LSR), 0x63);
	assert_int_equal(in(DATA), 1);
}

static void odd_accesses_are_harmless(void **state)
{
	(void)state;
	make_port(TD_SERIAL_NULL, NULL);
	for (uint64_t offset = 0; offset < 8; offset++) {
		for (unsigned width = 1; width <= 8; width *= 2) {
			struct td_access access = {
				.offset = TD_SERIAL_PORT + offset, .width = (uint8_t)width, .write = true, .value = UINT64_MAX};

			td_bus_dispatch(&f->vm.pio, &access);
			access.write = false;
			td_bus_dispatch(&f->vm.pio, &access);
			if (width < 8)
				assert_int_equal(access.value & ~td_access_ones(&access) & (offset + width <= 8 ? ~0ULL : 0), 0);
		}
	}
	f->vm.devices->ops->reset(f->vm.devices);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(IER), 0);
	assert_int_equal(in(IIR), 1);
	assert_int_equal(in(MSR), 0xb0);
}

static void a_line_is_one_write(void **state)
{
	(void)state;
	make_fifo_port();
	print("hello");
	assert_string_equal(read_all(), "");
	print(" world\nnext");
	assert_string_equal(read_all(), "hello world\n");
	run_loop_ms(30); /* a prompt has no end of line */
	assert_string_equal(read_all(), "next");
	print("a");
	f->vm.devices->ops->quiesce(f->vm.devices);
	assert_string_equal(read_all(), "a");
	f->vm.devices->ops->resume(f->vm.devices);
}

static void a_slow_reader_stops_the_transmitter(void **state)
{
	unsigned sent = 0, received = 0;

	(void)state;
	make_fifo_port();
	while (in(LSR)&0x20) {
		out(DATA, sent % 64 == 63 ? '\n' : 'x');
		assert_true(++sent < 1000000);
	}
	out(IER, 2);
	assert_int_equal(in(IIR), 0x01);
	run_loop_ms(20);
	assert_int_equal(in(LSR)&0x60, 0);
	for (unsigned i = 0; i < 100 && received < sent; i++) {
		received += (unsigned)strlen(read_all());
		run_loop_ms(1);
	}
	assert_int_equal(received, sent); /* nothing lost */
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(IIR), 0x02);
}

/* Standard output is a pipe that this user may not open again, so it stays blocking: the VM waits for its reader no more than else. */
static void a_pipe_that_blocks_is_not_waited_for(void **state)
{
	unsigned sent = 0, received = 0;
	int saved = dup(STDOUT_FILENO);

	(void)state;
	assert_int_equal(mkfifo(f->path, 0600), 0);
	f->reader = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int writer = open(f->path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(chmod(f->path, 0), 0);
	fflush(stdout);
	dup2(writer, STDOUT_FILENO);
	setfsuid(65534); /* root may open anything; the others need no such thing, and can't */
	make_port(TD_SERIAL_STDIO, NULL);
	setfsuid(geteuid());
	dup2(saved, STDOUT_FILENO);
	close(saved);
	close(writer);
	alarm(10);
	while (in(LSR)&0x20) {
		out(DATA, sent % 64 == 63 ? '\n' : 'x');
		assert_true(++sent < 1000000);
	}
	for (unsigned i = 0; i < 200 && received < sent; i++) {
		received += (unsigned)strlen(read_all());
		run_loop_ms(1);
	}
	alarm(0);
	assert_int_equal(received, sent);
}

static void a_reader_that_is_gone_is_no_obstacle(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	make_fifo_port();
	close(f->reader);
	f->reader = -1;
	for (unsigned i = 0; i < 10000; i++)
		out(DATA, '\n');
	assert_int_equal(in(LSR), 0x60);
}

static void pty_works_both_ways(void **state)
{
	char text[64] = {0};
	int fd;

	(void)state;
	make_port(TD_SERIAL_PTY, NULL);
	fd = open(td_serial_pty_path(f->serial), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(fd >= 0);
	print("to you\n");
	assert_int_equal(read(fd, text, sizeof(text)), 7);
	assert_string_equal(text, "to you\n");
	/* More than a FIFO takes: nothing is lost, it comes as the guest reads. */
	out(FCR, 1);
	out(IER, 1);
	assert_int_equal(write(fd, "0123456789abcdefghijklmnopqrstuvwxyz", 36), 36);
	for (unsigned i = 0; i < 36; i++) {
		for (unsigned tries = 0; tries < 1000 && !(in(LSR)&1); tries++)
			run_loop_ms(5);
		assert_int_equal(in(IIR), 0xc4);
		assert_int_equal(in(DATA), "0123456789abcdefghijklmnopqrstuvwxyz"[i]);
	}
	run_loop_ms(5);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(IIR), 0xc1);
	/* While paused nothing comes in; with nobody at the other end nothing blocks. */
	f->vm.devices->ops->quiesce(f->vm.devices);
	assert_int_equal(write(fd, "z", 1), 1);
	run_loop_ms(5);
	assert_int_equal(in(LSR), 0x60);
	f->vm.devices->ops->resume(f->vm.devices);
	run_loop_ms(5);
	assert_int_equal(in(DATA), 'z');
	close(fd);
	for (unsigned i = 0; i < 100000; i++)
		out(DATA, i % 50 ? 'y' : '\n');
	assert_int_equal(in(LSR), 0x60);
}

static void a_bad_file_is_refused_and_undone(void **state)
{
	struct td_serial_config config = {.kind = TD_SERIAL_FILE, .path = "/nonexistent/file"};
	struct td_err err = {0};

	(void)state;
	assert_int_equal(td_serial_create(&f->vm, "serial0", &config, NULL, &err), -ENOENT);
	assert_int_equal(err.reason, TD_REASON_SERIAL);
	assert_string_equal(err.text, "serial serial0: file /nonexistent/file: No such file or directory");
	config.path = NULL;
	assert_int_equal(td_serial_create(&f->vm, "serial0", &config, NULL, &err), -EINVAL);
	assert_null(f->vm.devices);
	make_port(TD_SERIAL_NULL, NULL);
	assert_int_equal(td_serial_create(&f->vm, "serial1", &config, NULL, &err), -EEXIST);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_as_linux_probes),
		TEST(transmitter_empty_is_told_once_for_each_reason),
		TEST(loop_back_returns_what_was_sent),
		TEST(odd_accesses_are_harmless),
		TEST(a_line_is_one_write),
		TEST(a_slow_reader_stops_the_transmitter),
		TEST(a_pipe_that_blocks_is_not_waited_for),
		TEST(a_reader_that_is_gone_is_no_obstacle),
		TEST(pty_works_both_ways),
		TEST(a_bad_file_is_refused_and_undone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
