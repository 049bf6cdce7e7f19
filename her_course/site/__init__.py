"""The book: chapters, exercises, results and reference as a folder of static pages, in Chinese and in English.

`sources` makes the repository's notebooks and texts ready for Sphinx, `gallery` and `reference` write the pages on
results and on the library, `build` turns all of it into HTML with a search index. Nothing is executed: the outputs are
the committed ones.
"""
