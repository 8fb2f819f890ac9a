"""The values that rooms speak to one another in (floor F0, anyone may import them).

Every value is a frozen `msgspec.Struct`: the same as a frozen dataclass with slots, but ten times
cheaper to build and to encode, and its JSON (camel case, absent instead of null) is at the same
time the answer of the REST interface. A value holds no behaviour but reading itself.
"""
