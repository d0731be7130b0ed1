/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random container ids, names, and the checks of both.
 *
 * Theory of operation
 *
 * An id is 256 bits from getrandom(2) in hexadecimal: two containers never
 * share one, so nobody has to look before using it. A name is for people: an
 * adjective and a noun, drawn from the same source. Names do collide; whoever
 * stores them must be ready to draw again.
 *
 * Ids and names become file names, cgroup names and arguments of helpers.
 * What a user or the caller of crt-oci hands in is therefore checked here,
 * byte by byte and without the locale: no slash, no leading dash or dot, no
 * control characters, a bounded length.
 *
 * Nothing here keeps state; a crash leaves nothing behind.
 */
#include "base/id.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/limits.h"

#define CONTAINER_ID_MAX 1024 /* as crun */
#define ARRAY_N(a)	 (sizeof(a) / sizeof((a)[0]))

static const char *const adjectives[] = {
	"able",	  "agile",  "alert",   "amber",	  "ample",  "apt",    "azure",	"bold",	  "brave",
	"breezy", "bright", "brisk",   "busy",	  "calm",   "candid", "civil",	"clear",  "clever",
	"coral",  "cosy",   "crisp",   "curious", "daring", "deft",   "dry",	"eager",  "early",
	"easy",	  "exact",  "fair",    "fast",	  "fine",   "firm",   "fleet",	"fond",	  "frank",
	"free",	  "fresh",  "frosty",  "full",	  "gentle", "glad",   "golden", "good",	  "grand",
	"great",  "green",  "happy",   "hardy",	  "hearty", "honest", "humble", "icy",	  "jolly",
	"keen",	  "kind",   "large",   "lasting", "light",  "lively", "lofty",	"loyal",  "lucid",
	"lucky",  "mellow", "merry",   "mild",	  "modest", "neat",   "new",	"nimble", "noble",
	"novel",  "open",   "patient", "plain",	  "polite", "prompt", "proud",	"pure",	  "quick",
	"quiet",  "rapid",  "ready",   "robust",  "round",  "royal",  "rustic", "safe",	  "sandy",
	"serene", "sharp",  "shiny",   "silent",  "silver", "sleek",  "smart",	"smooth", "snowy",
	"sober",  "soft",   "solid",   "sound",	  "stable", "steady", "still",	"stout",  "sturdy",
	"subtle", "sunny",  "super",   "sure",	  "swift",  "tall",   "tender", "terse",  "tidy",
	"tiny",	  "trusty", "upbeat",  "vivid",	  "warm",   "wild",   "windy",	"wise",	  "witty",
	"young",  "zesty",
};

static const char *const nouns[] = {
	"acorn",   "alder",   "anchor",	 "apple",   "arch",    "aspen",	  "badger",  "bamboo",
	"barge",   "basin",   "bay",	 "beacon",  "beech",   "birch",	  "bison",   "bridge",
	"brook",   "canoe",   "canyon",	 "cedar",   "cliff",   "clover",  "cloud",   "comet",
	"condor",  "copper",  "cove",	 "crane",   "crater",  "creek",	  "cricket", "crow",
	"dale",	   "delta",   "dolphin", "dune",    "eagle",   "elk",	  "elm",     "falcon",
	"fern",	   "finch",   "fjord",	 "flint",   "forest",  "fox",	  "geyser",  "glacier",
	"glade",   "gorge",   "granite", "grove",   "gull",    "harbor",  "hare",    "hazel",
	"heath",   "heron",   "hill",	 "holly",   "ibis",    "inlet",	  "island",  "ivy",
	"juniper", "kestrel", "kite",	 "lagoon",  "lake",    "lantern", "larch",   "lark",
	"laurel",  "linden",  "lynx",	 "magpie",  "maple",   "marsh",	  "meadow",  "mesa",
	"meteor",  "moon",    "moose",	 "moss",    "oak",     "oasis",	  "ocean",   "orchid",
	"osprey",  "otter",   "owl",	 "panda",   "peak",    "pebble",  "pelican", "pier",
	"pine",	   "planet",  "plover",	 "pond",    "poplar",  "prairie", "puffin",  "quartz",
	"quay",	   "rapids",  "raven",	 "reef",    "ridge",   "river",	  "robin",   "rowan",
	"sail",	   "seal",    "shore",	 "sparrow", "spruce",  "star",	  "stork",   "stream",
	"summit",  "swallow", "swan",	 "tern",    "thistle", "thrush",  "tide",    "trout",
	"tulip",   "tundra",  "valley",	 "walnut",  "willow",  "wren",
};

static int random_fill(void *data, size_t len)
{
	unsigned char *p = data;
	size_t done = 0;

	while (done < len) {
		ssize_t n = getrandom(p + done, len - done, 0);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		done += (size_t)n;
	}
	return 0;
}

int id_generate(char ret[ID_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[ID_LEN / 2];
	int r = random_fill(raw, sizeof(raw));

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(raw); i++) {
		ret[2 * i] = digits[raw[i] >> 4];
		ret[2 * i + 1] = digits[raw[i] & 15];
	}
	ret[ID_LEN] = '\0';
	return 0;
}

char *id_random_name(void)
{
	uint32_t raw[2];

	if (random_fill(raw, sizeof(raw)) < 0)
		return NULL;
	return str_printf("%s_%s", adjectives[raw[0] % ARRAY_N(adjectives)],
			  nouns[raw[1] % ARRAY_N(nouns)]);
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

bool id_name_valid(const char *s)
{
	size_t n = 0;

	if (s == NULL || !is_alnum(s[0]))
		return false;
	for (; s[n] != '\0'; n++) {
		if (n >= LIMIT_NAME || (!is_alnum(s[n]) && !one_of(s[n], "_.-")))
			return false;
	}
	return true;
}

bool id_container_valid(const char *s)
{
	size_t n = 0;

	if (s == NULL || s[0] == '.' || (!is_alnum(s[0]) && !one_of(s[0], "_+-")))
		return false;
	for (; s[n] != '\0'; n++) {
		if (n >= CONTAINER_ID_MAX || (!is_alnum(s[n]) && !one_of(s[n], "_+.-")))
			return false;
	}
	return true;
}

bool id_is_hex_prefix(const char *s)
{
	size_t n = 0;

	if (s == NULL)
		return false;
	for (; s[n] != '\0'; n++) {
		if (n >= ID_LEN || !((s[n] >= '0' && s[n] <= '9') || (s[n] >= 'a' && s[n] <= 'f')))
			return false;
	}
	return n > 0;
}
