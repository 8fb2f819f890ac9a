"""Reading and building MIME: header words, charsets, transfer encodings, text, safe HTML (F0).

Pure functions from bytes to values; any room may call them. Reading never raises for what a
stranger wrote: broken input gives the best text that can be had. Every function is linear in its
input, and each budget is a named constant (invariant I28). A library is wrapped in one file.
"""
