# SPDX-License-Identifier: BSD-3-Clause
"""What random arguments are made of: keys, values, numbers, options. All of it comes from one
random generator, so a seed gives the same commands again.

Pools are small on purpose. A command that meets nothing tests nothing: about half of the calls are
to find a key of the right type, and members and fields are to collide.
"""
import string

# One pool of keys per type; the kind is the key's first letter. The rest of the kinds: n holds
# numbers, b bitmaps, p HyperLogLogs, g positions.
KINDS = "shlezngbp"
KEYS_EACH = 5
ODD_KEYS = (b"", b"\x00\xff\r\n", b"{tag}key", b"long" * 60, b"*", b"s?[0-9]", b"s ")
WORDS = (b"a", b"b", b"c", b"foo", b"bar", b"Hello", b"field", b"1st", b"x y", b"alpha", b"omega",
         b"zz", b"aa", b"ab", b"\xc3\xa9")
ODD_VALUES = (b"", b"\x00", b"\xff\xfe", b"a\r\nb", b" 1", b"1 ", b"+1", b"01", b"-0", b"nan",
              b"inf", b"-inf", b"1e3", b"0x10", b"1_000", b"\x00\x01\x02\x03", b"*", b"$-1")
# At and around what an int64, an int32, a double or a parser can hold.
ODD_INTEGERS = (b"2147483647", b"2147483648", b"-2147483648", b"-2147483649", b"4294967295",
                b"4294967296", b"9223372036854775807", b"9223372036854775808",
                b"-9223372036854775808", b"-9223372036854775809", b"18446744073709551615",
                b"18446744073709551616", b"99999999999999999999999", b"", b"abc", b"1.5", b"1e3",
                b" 1", b"1 ", b"+1", b"01", b"-0", b"0x10", b"-", b"9007199254740993", b"nan")
ODD_FLOATS = (b"nan", b"NaN", b"inf", b"-inf", b"+inf", b"Infinity", b"-0", b"0.0", b"1e308",
              b"-1e308", b"1.7e308", b"1e-320", b"1e309", b"0x1p3", b"", b"abc", b" 1", b"1 ",
              b"1e", b"1.", b".5", b"9007199254740993", b"0.1", b"3.0", b"1e20", b"1e21", b"1e22",
              b"5e-324", b"123456789012345678", b"1.2.3", b"--1", b"1,5", b"99999999999999999999")
SIZES = (7, 20, 32, 33, 43, 44, 45, 63, 64, 65, 100, 255, 256)


class Grammar:
    def __init__(self, random):
        self.random = random
        self.patient = False  # whether blocking commands may wait for good
        self.roll = random.random
        self.choose = random.choice

    def chance(self, p):
        return self.roll() < p

    def below(self, n):
        return int(self.roll() * n)

    def num(self, n):
        return b"%d" % n

    # --- Keys ---

    def key(self, kind):
        """Mostly a key of that kind, at times one of another kind or an odd name."""
        r = self.roll()
        if r > 0.93:
            kind = KINDS[self.below(len(KINDS))]
        elif r < 0.015:
            return self.choose(ODD_KEYS)
        return b"%c%d" % (ord(kind), self.below(KEYS_EACH))

    def any_key(self):
        return self.key(KINDS[self.below(len(KINDS))])

    def keys(self, kind, most=3):
        return [self.key(kind) for _ in range(1 + self.below(most))]

    def any_keys(self, most=3):
        return [self.any_key() for _ in range(1 + self.below(most))]

    def counted_keys(self, kind, most=3):
        """numkeys key [key ...]; the number is wrong at times."""
        keys = self.keys(kind, most)
        n = b"%d" % len(keys) if self.chance(0.95) else self.choose(
            (b"0", b"-1", b"9", b"1", b"x", b"2147483648", b"9223372036854775807", b""))
        return [n, *keys]

    # --- Numbers ---

    def integer(self, low=-10, high=100):
        if self.chance(0.06):
            return self.choose(ODD_INTEGERS)
        return b"%d" % (low + self.below(high - low + 1))

    def index(self):
        """A position in a list or a string."""
        return self.integer(-12, 12)

    def count(self):
        return self.integer(-1, 8)

    def float(self):
        r = self.roll()
        if r < 0.12:
            return self.choose(ODD_FLOATS)
        if r < 0.6:
            return b"%d" % (self.below(41) - 20)
        if r < 0.9:
            return b"%.2f" % (self.roll() * 200 - 100)
        return repr(self.random.uniform(-1e6, 1e6)).encode()

    def score(self):
        return self.choose(ODD_FLOATS) if self.chance(0.04) else \
            b"%d" % self.below(30) if self.chance(0.7) else b"%.1f" % (self.roll() * 30 - 5)

    # Times to live are far away, so that no key expires by chance in one server only.

    def seconds(self):
        if self.chance(0.08):
            return self.choose((b"0", b"-1", b"9223372036854775807", b"-9223372036854775808",
                                b"9223372036854775", b"9223372036854776", b"x", b"1.5", b""))
        return b"%d" % (10_000 + self.below(10_000_000))

    def milliseconds(self):
        if self.chance(0.08):
            return self.choose((b"0", b"-1", b"9223372036854775807", b"-9223372036854775808",
                                b"9223372036854775808", b"x", b"1e9", b""))
        return b"%d" % (10_000_000 + self.below(10_000_000_000))

    def unix_s(self):
        if self.chance(0.08):
            return self.choose((b"0", b"-1", b"9223372036854775807", b"9223372036854775", b"x"))
        return b"%d" % (4_000_000_000 + self.below(100_000_000))

    def past_or_future_s(self):
        return b"%d" % (1 + self.below(1_000_000_000)) if self.chance(0.1) else self.unix_s()

    def unix_ms(self):
        if self.chance(0.08):
            return self.choose((b"0", b"-1", b"9223372036854775807", b"9223372036854775808", b"x"))
        return b"%d" % (4_000_000_000_000 + self.below(100_000_000_000))

    # --- Values ---

    def value(self):
        r = self.roll()
        if r < 0.35:
            return self.choose(WORDS)
        if r < 0.6:
            return b"%d" % (self.below(120) - 20)
        if r < 0.7:
            return self.float()
        if r < 0.78:
            return self.choose(ODD_INTEGERS)
        if r < 0.84:
            return self.choose(ODD_VALUES)
        if r < 0.92:
            return self.choose(string.ascii_letters).encode() * self.choose(SIZES)
        if r < 0.985:
            return self.random.randbytes(1 + self.below(24))
        return self.random.randbytes(1 + self.below(300)) * (1 + self.below(12))

    def number_value(self):
        return self.integer(-1000, 1000) if self.chance(0.6) else self.float()

    def member(self):
        """Of a set, a sorted set or a hash: mostly one of about fifty."""
        r = self.roll()
        if r < 0.5:
            return b"%d" % self.below(30)
        if r < 0.85:
            return self.choose(WORDS)
        if r < 0.9:
            return b"m%d" % self.below(1000)
        return self.value()

    def members(self, key, most=5):
        """Keys with a low number keep to integers, so that intsets live for a while."""
        n = self.how_many(most)
        if key[1:2] in b"01" and self.chance(0.97):
            if self.chance(0.1):
                return [self.choose((b"32767", b"-32768", b"32768", b"2147483648", b"-1",
                                     b"9223372036854775807", b"-9223372036854775808"))]
            return [b"%d" % self.below(60 if n < 100 else 5000) for _ in range(n)]
        return [self.member() for _ in range(n)]

    def how_many(self, most):
        """A few; hundreds at times, so that every encoding is outgrown."""
        if most > 1 and self.chance(0.005):
            return 100 + self.below(500)
        return 1 + self.below(most)

    def pairs(self, first, second, most=4):
        out = []
        for _ in range(self.how_many(most)):
            out += (first(), second())
        return out

    def some(self, make, most=4):
        return [make() for _ in range(self.how_many(most))]

    # --- Options ---

    def word(self, text):
        """A keyword, in any case of letters."""
        return text if self.chance(0.85) else self.any_case(text)

    def any_case(self, text):
        if self.chance(0.5):
            return text.lower()
        return bytes(c ^ 0x20 if 65 <= c <= 90 and self.chance(0.5) else c for c in text)

    def options(self, *choices, p=0.3):
        """Each option is taken or not, in any order, rarely twice. A choice is a keyword, or a
        keyword with functions that make what follows it."""
        taken = []
        for choice in choices:
            if self.chance(p):
                taken.append(choice)
                if self.chance(0.03):
                    taken.append(choice)
        self.random.shuffle(taken)
        out = []
        for choice in taken:
            if isinstance(choice, bytes):
                out.append(self.word(choice))
            else:
                out.append(self.word(choice[0]))
                for make in choice[1:]:
                    made = make()
                    out += made if isinstance(made, list) else [made]
        return out

    def one_of(self, *choices):
        """At most one of some options."""
        return self.options(self.choose(choices), p=0.6)

    def pattern(self):
        return self.choose((b"*", b"s*", b"?1", b"[hl]?", b"[^s]*", b"*0", b"[a-m]*", b"h[0-2]",
                            b"", b"\\*", b"s[", b"[", b"[]", b"*a*", b"[0-9]*", b"m?", b"**1**",
                            b"[z-a]*", b"s\\?*", b"foo", b"1?", b"\x00*", b"[^0-4]*"))
