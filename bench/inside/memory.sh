# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What a VMM keeps in memory besides its guest's RAM: RSS of the process less that of the mapping that is guest RAM, and the same
# by PSS and by what is private to the process.
# needs tests/lab/lib.sh, vmm.sh, samples.sh

# memory_besides_ram FIELD: KiB of that field of smaps over all mappings smaller than guest RAM.
memory_besides_ram() {
	awk -v field="$1:" -v ram_kib=$((VMM_MEMORY_MIB * 1024)) '
		/^[0-9a-f]+-[0-9a-f]+ / { skip = 0 }
		$1 == "Size:" { skip = $2 >= ram_kib }
		$1 == field && !skip { sum += $2 }
		END { print sum + 0 }' "/proc/$VM_PID/smaps"
}

memory_once() {
	local kind=$1 cpus=$2
	vmm_start "$kind" "$cpus"
	console_wait '@init' 180
	sleep 1 # what is freed after start-up has been freed
	sample memory "$kind" rss_kib "$(memory_besides_ram Rss)"
	sample memory "$kind" pss_kib "$(memory_besides_ram Pss)"
	sample memory "$kind" private_dirty_kib "$(memory_besides_ram Private_Dirty)"
	sample memory "$kind" threads "$(find "/proc/$VM_PID/task" -mindepth 1 -maxdepth 1 | wc -l)"
	vmm_kill
}

measure_memory() {
	in_turn memory memory_once tandem q35 microvm -- 2
}
