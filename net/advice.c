/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known about versions of libslirp.
 *
 * Theory of operation
 *
 * libslirp parses what a container sends, and most of its versions had a flaw
 * there. The table has the mends that matter, oldest first; a version gets the
 * first line whose mend it lacks. Distributions add mends without changing the
 * version, hence the careful words. Some flaws cannot be reached through
 * crt-net, because its filter (filter.c, reass.c) does not let the frames by;
 * the line says so.
 *
 * A pure function; the text comes from crt-net, which reads packets: it is
 * taken for a version only as far as it consists of numbers.
 */
#include <stddef.h>
#include <stdlib.h>

#include "net/net.h"

/* Is "4.7.0" older than the version with the mend? */
static bool is_older(const char *version, const unsigned int mend[3])
{
	for (int i = 0; i < 3; i++) {
		char *end;
		unsigned long n = strtoul(version, &end, 10);

		if (end == version || n != mend[i])
			return end != version && n < mend[i];
		version = *end == '.' ? end + 1 : end;
	}
	return false;
}

const char *net_slirp_advice(const char *version)
{
	static const struct {
		unsigned int mend[3];
		const char *text;
	} table[] = {
		{ { 4, 3, 1 },
		  "older than 4.3.1: reads and writes beyond its memory when it puts fragments together, emulates "
		  "protocols, and answers ICMPv6; upgrade libslirp" },
		{ { 4, 4, 0 },
		  "older than 4.4.0: reads beyond its memory for short frames (CVE-2020-29129, CVE-2020-29130), which "
		  "crt-net does not let by; upgrade libslirp" },
		{ { 4, 6, 0 },
		  "older than 4.6.0: flaws in its DHCP and TFTP services (CVE-2021-3592 to 3595), which "
		  "crt-net does not let by; upgrade libslirp" },
		{ { 4, 9, 2 },
		  "without the mend of CVE-2026-9539 of 4.9.2, unless the distribution has added it; "
		  "crt-net does not let urgent data by" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (is_older(version, table[i].mend))
			return table[i].text;
	return NULL;
}
