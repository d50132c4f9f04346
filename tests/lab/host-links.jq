# SPDX-License-Identifier: Apache-2.0
# Of `ip -d -j link show`: what host.yaml can change of links, a line for each kind of thing.
.[]
| select(.ifname | test("^(lo|wire0|mgmt0|bonding_masters)$") | not)
| . as $l
| (.linkinfo // {}) as $i
| def shown: map(. // "-" | tostring) | join(" ");
"\($l.ifname) mtu \($l.mtu) up \($l.flags | index("UP") != null) master \($l.master // "-") kind \($i.info_kind // "-") alias \($l.ifalias // "-")",
(select($i.info_kind == "bond") | $i.info_data
	| "\($l.ifname) bond \([.mode, .miimon, .ad_lacp_rate, .xmit_hash_policy, .primary] | shown)"),
(select($i.info_kind == "bridge") | $i.info_data | "\($l.ifname) bridge \([.vlan_filtering, .mcast_snooping] | map(tostring) | join(" "))"),
(select($i.info_kind == "vlan") | "\($l.ifname) vlan \($l.link) \($i.info_data.id)"),
(select($i.info_slave_kind == "bridge") | "\($l.ifname) port isolated \($i.info_slave_data.isolated)")
