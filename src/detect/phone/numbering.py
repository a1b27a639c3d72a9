#!/usr/bin/env python3
"""Makes numbering.txt: which national numbers exist behind each country calling code.

    pip install phonenumbers && python3 src/detect/phone/numbering.py > src/detect/phone/numbering.txt

The patterns of libphonenumber are read as automata. For each first three digits the lengths of the
numbers that begin so are kept, and nothing else: a question to the table is a binary search.
"""
import re._parser as sre
import phonenumbers as lib
from phonenumbers import PhoneMetadata

KINDS = ("fixed_line mobile toll_free premium_rate shared_cost personal_number voip pager uan voicemail").split()
ANY = frozenset(range(10))
LONGEST = 15
# Kept for films and examples, so that tests and demonstrations behave as real numbers do.
FICTIONAL = {33: {639: 9}}


class Automaton:
    """Thompson's construction over digits."""

    def __init__(self, pattern):
        self.empty, self.steps = [], []
        start, end = self.state(), self.state()
        self.sequence(list(sre.parse(pattern)), start, end)
        self.start, self.end = start, end

    def state(self):
        self.empty.append([])
        self.steps.append([])
        return len(self.empty) - 1

    def sequence(self, items, at, end):
        for op, value in items:
            following = self.state()
            self.one(str(op), value, at, following)
            at = following
        self.empty[at].append(end)

    def one(self, op, value, at, end):
        if op == "LITERAL":
            self.steps[at].append(({value - 48}, end))
        elif op == "IN":
            digits = set()
            for kind, what in value:
                if str(kind) == "RANGE":
                    digits |= set(range(what[0] - 48, what[1] - 47))
                elif str(kind) == "LITERAL":
                    digits.add(what - 48)
                else:
                    digits |= ANY
            self.steps[at].append((digits, end))
        elif op == "BRANCH":
            for branch in value[1]:
                self.sequence(list(branch), at, end)
        elif op == "SUBPATTERN":
            self.sequence(list(value[3]), at, end)
        elif op == "MAX_REPEAT":
            least, most, inner = value
            for count in range(min(most, LONGEST)):
                if count >= least:
                    self.empty[at].append(end)
                following = self.state()
                self.sequence(list(inner), at, following)
                at = following
            self.empty[at].append(end)
        else:
            raise ValueError(op)

    def closed(self, states):
        todo, seen = list(states), set(states)
        while todo:
            for s in self.empty[todo.pop()]:
                if s not in seen:
                    seen.add(s)
                    todo.append(s)
        return frozenset(seen)

    def after(self, states, digits):
        return self.closed({t for s in states for d, t in self.steps[s] if d & digits})


def lengths(automaton, possible, table):
    """Adds the lengths of numbers by their first three digits."""
    first = automaton.closed({automaton.start})
    for prefix in range(1000):
        states = first
        for digit in f"{prefix:03}":
            states = automaton.after(states, {int(digit)})
        for length in range(3, LONGEST + 1):
            if automaton.end in states and length in possible:
                table[prefix] |= 1 << length
            states = automaton.after(states, ANY)


def plan(code):
    table = [0] * 1000
    regions = lib.COUNTRY_CODE_TO_REGION_CODE[code]
    for region in regions:
        if region == "001":
            metadata = PhoneMetadata.metadata_for_nongeo_region(code)
        else:
            metadata = PhoneMetadata.metadata_for_region(region)
        for kind in KINDS:
            described = getattr(metadata, kind)
            if described is not None and described.national_number_pattern:
                possible = described.possible_length or metadata.general_desc.possible_length
                lengths(Automaton(described.national_number_pattern), possible, table)
    for prefix, length in FICTIONAL.get(code, {}).items():
        table[prefix] |= 1 << length
    runs, at = [], 0
    while at < 1000:
        end = at
        while end < 999 and table[end + 1] == table[at]:
            end += 1
        if table[at]:
            runs.append(f"{at}-{end}:{table[at]:x}" if end > at else f"{at}:{table[at]:x}")
        at = end + 1
    return runs


def main():
    print(f"# Made by numbering.py from libphonenumber {lib.__version__}: lengths, as bits, by the first three digits.")
    for code in sorted(lib.COUNTRY_CODE_TO_REGION_CODE):
        names = []
        for region in lib.COUNTRY_CODE_TO_REGION_CODE[code]:
            if region != "001":
                metadata = PhoneMetadata.metadata_for_region(region)
                prefix = metadata.national_prefix or "-"
                names.append(f"{region}/{prefix}")
        print(code, ",".join(names) or "-", *plan(code))


main()
