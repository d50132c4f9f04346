/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serial.c - the registers of a 16550A (TI PC16550D data sheet). Bytes leave at once, so the transmitter is always empty, except while the
 * host takes no more; the receive trigger level is always 1.
 */
#include "emul/serial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "emul/serial_host.h"

#define PORTS	   8U
#define FIFO_BYTES 16U

enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCRATCH };

#define IER_RECEIVE  0x01U
#define IER_TRANSMIT 0x02U
#define IER_LINE     0x04U
#define IER_MASK     0x0fU

#define IIR_NONE     0x01U
#define IIR_TRANSMIT 0x02U
#define IIR_RECEIVE  0x04U
#define IIR_LINE     0x06U
#define IIR_FIFOS    0xc0U

#define FCR_ENABLE	  0x01U
#define FCR_CLEAR_RECEIVE 0x02U

#define LCR_DLAB 0x80U

#define MCR_DTR	 0x01U
#define MCR_RTS	 0x02U
#define MCR_OUT1 0x04U
#define MCR_OUT2 0x08U /* on a PC: the gate of the interrupt line */
#define MCR_LOOP 0x10U
#define MCR_MASK 0x1fU

#define LSR_READY   0x01U
#define LSR_OVERRUN 0x02U
#define LSR_EMPTY   0x60U /* holding register and transmitter */

#define MSR_CTS 0x10U
#define MSR_DSR 0x20U
#define MSR_RI	0x40U
#define MSR_DCD 0x80U

struct td_serial {
	struct td_device device; /* first */
	struct td_vm *vm;
	struct td_io_region region;
	struct td_serial_host host;
	uint8_t ier, fcr, lcr, mcr, scratch, divisor[2];
	bool transmit_pending; /* "transmitter empty" has not been told yet */
	bool overrun, line;
	uint8_t fifo[FIFO_BYTES];
	unsigned fifo_first, fifo_count;
};

static unsigned fifo_room(const struct td_serial *serial)
{
	unsigned size = (serial->fcr & FCR_ENABLE) ? FIFO_BYTES : 1;

	return size > serial->fifo_count ? size - serial->fifo_count : 0;
}

static void fifo_put(struct td_serial *serial, uint8_t byte)
{
	if (fifo_room(serial) == 0) {
		serial->overrun = true;
		return;
	}
	serial->fifo[(serial->fifo_first + serial->fifo_count++) % FIFO_BYTES] = byte;
}

static uint8_t fifo_take(struct td_serial *serial)
{
	uint8_t byte;

	if (serial->fifo_count == 0)
		return 0;
	byte = serial->fifo[serial->fifo_first];
	serial->fifo_first = (serial->fifo_first + 1) % FIFO_BYTES;
	serial->fifo_count--;
	return byte;
}

static uint8_t serial_pending(const struct td_serial *serial)
{
	if ((serial->ier & IER_LINE) && serial->overrun)
		return IIR_LINE;
	if ((serial->ier & IER_RECEIVE) && serial->fifo_count)
		return IIR_RECEIVE;
	if ((serial->ier & IER_TRANSMIT) && serial->transmit_pending)
		return IIR_TRANSMIT;
	return IIR_NONE;
}

static void update_line(struct td_serial *serial)
{
	bool line = serial_pending(serial) != IIR_NONE && (serial->mcr & MCR_OUT2);

	if (line == serial->line)
		return;
	serial->line = line;
	td_irq_set(&serial->vm->irq, TD_SERIAL_GSI, line);
}

static void serial_transmit(struct td_serial *serial, uint8_t byte)
{
	if (serial->mcr & MCR_LOOP)
		fifo_put(serial, byte);
	else
		td_serial_host_put(&serial->host, byte);
	serial->transmit_pending = !td_serial_host_full(&serial->host);
}

static uint8_t read_data(struct td_serial *serial)
{
	uint8_t byte = fifo_take(serial);

	if (serial->fifo_count == 0)
		td_serial_host_room(&serial->host);
	return byte;
}

static uint8_t read_iir(struct td_serial *serial)
{
	uint8_t cause = serial_pending(serial);

	if (cause == IIR_TRANSMIT)
		serial->transmit_pending = false;
	return (uint8_t)(cause | ((serial->fcr & FCR_ENABLE) ? IIR_FIFOS : 0));
}

static uint8_t read_lsr(struct td_serial *serial)
{
	unsigned value = serial->fifo_count ? LSR_READY : 0;

	if (serial->overrun)
		value |= LSR_OVERRUN;
	if (!td_serial_host_full(&serial->host))
		value |= LSR_EMPTY;
	serial->overrun = false;
	return (uint8_t)value;
}

/* In loop-back the outputs come back as inputs; else a peer that is always there. */
static uint8_t read_msr(const struct td_serial *serial)
{
	unsigned value = 0;

	if (!(serial->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	if (serial->mcr & MCR_RTS)
		value |= MSR_CTS;
	if (serial->mcr & MCR_DTR)
		value |= MSR_DSR;
	if (serial->mcr & MCR_OUT1)
		value |= MSR_RI;
	if (serial->mcr & MCR_OUT2)
		value |= MSR_DCD;
	return (uint8_t)value;
}

static uint8_t serial_read_register(struct td_serial *serial, unsigned reg)
{
	bool dlab = serial->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		return dlab ? serial->divisor[0] : read_data(serial);
	case REG_IER:
		return dlab ? serial->divisor[1] : serial->ier;
	case REG_IIR_FCR:
		return read_iir(serial);
	case REG_LCR:
		return serial->lcr;
	case REG_MCR:
		return serial->mcr;
	case REG_LSR:
		return read_lsr(serial);
	case REG_MSR:
		return read_msr(serial);
	default:
		return serial->scratch;
	}
}

/* Enabling the transmit interrupt while the transmitter is empty raises it: drivers start sending that way. */
static void write_ier(struct td_serial *serial, uint8_t value)
{
	if ((value & IER_TRANSMIT) && !(serial->ier & IER_TRANSMIT))
		serial->transmit_pending = !td_serial_host_full(&serial->host);
	serial->ier = value & IER_MASK;
}

static void write_fcr(struct td_serial *serial, uint8_t value)
{
	bool toggled = (value ^ serial->fcr) & FCR_ENABLE;

	if (toggled || (value & FCR_CLEAR_RECEIVE))
		serial->fifo_count = 0;
	serial->fcr = value & FCR_ENABLE;
	td_serial_host_room(&serial->host);
}

static void serial_write_register(struct td_serial *serial, unsigned reg, uint8_t value)
{
	bool dlab = serial->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		if (dlab)
			serial->divisor[0] = value;
		else
			serial_transmit(serial, value);
		break;
	case REG_IER:
		if (dlab)
			serial->divisor[1] = value;
		else
			write_ier(serial, value);
		break;
	case REG_IIR_FCR:
		write_fcr(serial, value);
		break;
	case REG_LCR:
		serial->lcr = value;
		break;
	case REG_MCR:
		serial->mcr = value & MCR_MASK;
		break;
	case REG_SCRATCH:
		serial->scratch = value;
		break;
	default: /* LSR and MSR are read-only */
		break;
	}
}

/* Wider accesses than a byte reach as many registers, as on the ISA bus. */
static enum td_result serial_access(struct td_io_region *region, struct td_access *access)
{
	struct td_serial *serial = TD_CONTAINER_OF(region, struct td_serial, region);
	uint64_t value = 0;

	for (unsigned i = 0; i < access->width; i++) {
		unsigned reg = (unsigned)(access->offset + i) % PORTS;

		if (access->write)
			serial_write_register(serial, reg, (uint8_t)(access->value >> (8 * i)));
		else
			value |= (uint64_t)serial_read_register(serial, reg) << (8 * i);
	}
	if (!access->write)
		access->value = value;
	update_line(serial);
	return TD_DONE;
}

static unsigned host_input_room(struct td_serial_host *host)
{
	struct td_serial *serial = TD_CONTAINER_OF(host, struct td_serial, host);

	return (serial->mcr & MCR_LOOP) ? 0 : fifo_room(serial);
}

static void host_input(struct td_serial_host *host, const uint8_t *bytes, unsigned count)
{
	struct td_serial *serial = TD_CONTAINER_OF(host, struct td_serial, host);

	for (unsigned i = 0; i < count; i++)
		fifo_put(serial, bytes[i]);
	update_line(serial);
}

static void host_output_drained(struct td_serial_host *host)
{
	struct td_serial *serial = TD_CONTAINER_OF(host, struct td_serial, host);

	serial->transmit_pending = true;
	update_line(serial);
}

static void host_quit(struct td_serial_host *host)
{
	struct td_serial *serial = TD_CONTAINER_OF(host, struct td_serial, host);

	td_vm_request_stop(serial->vm, TD_VM_END_KILLED, 0);
}

static const struct td_serial_host_ops host_ops = {
	.input_room = host_input_room,
	.input = host_input,
	.output_drained = host_output_drained,
	.quit = host_quit,
};

static void set_power_on(struct td_serial *serial)
{
	serial->ier = serial->fcr = serial->lcr = serial->mcr = serial->scratch = 0;
	serial->divisor[0] = 12; /* 9600 baud */
	serial->divisor[1] = 0;
	serial->transmit_pending = serial->overrun = false;
	serial->fifo_first = serial->fifo_count = 0;
}

static void serial_reset(struct td_device *device)
{
	struct td_serial *serial = TD_CONTAINER_OF(device, struct td_serial, device);

	set_power_on(serial);
	update_line(serial);
	td_serial_host_room(&serial->host);
}

static int serial_quiesce(struct td_device *device)
{
	struct td_serial *serial = TD_CONTAINER_OF(device, struct td_serial, device);

	td_serial_host_pause(&serial->host, true);
	return 0;
}

static void serial_resume(struct td_device *device)
{
	struct td_serial *serial = TD_CONTAINER_OF(device, struct td_serial, device);

	td_serial_host_pause(&serial->host, false);
}

static void serial_destroy(struct td_device *device)
{
	struct td_serial *serial = TD_CONTAINER_OF(device, struct td_serial, device);

	td_bus_remove(&serial->vm->pio, &serial->region);
	td_serial_host_close(&serial->host);
	free(serial);
}

static const struct td_device_ops device_ops = {
	.reset = serial_reset,
	.quiesce = serial_quiesce,
	.resume = serial_resume,
	.destroy = serial_destroy,
};

static int attach(struct td_serial *serial, const struct td_serial_config *config, struct td_err *err)
{
	int rc = td_bus_add(&serial->vm->pio, &serial->region);

	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_SERIAL, "serial %s: port %#x", serial->device.name, TD_SERIAL_PORT);
	rc = td_serial_host_open(&serial->host, serial->device.name, config, &serial->vm->loop, &host_ops, err);
	if (rc < 0)
		td_bus_remove(&serial->vm->pio, &serial->region);
	return rc;
}

int td_serial_create(
	struct td_vm *vm, const char *name, const struct td_serial_config *config, struct td_serial **ret_serial, struct td_err *err)
{
	td_auto_free struct td_serial *serial = calloc(1, sizeof(*serial));
	int rc;

	if (!serial)
		return td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY, "serial %s: no memory", name);
	serial->vm = vm;
	serial->device.ops = &device_ops;
	snprintf(serial->device.name, sizeof(serial->device.name), "%s", name);
	serial->region = (struct td_io_region){.name = "serial", .base = TD_SERIAL_PORT, .len = PORTS, .access = serial_access};
	set_power_on(serial);
	rc = attach(serial, config, err);
	if (rc < 0)
		return rc;
	td_vm_add_device(vm, &serial->device);
	if (ret_serial)
		*ret_serial = serial;
	(void)td_take_ptr(serial);
	return 0;
}

const char *td_serial_pty_path(const struct td_serial *serial)
{
	return serial->host.pty_path;
}
