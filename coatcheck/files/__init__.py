"""Files: what keeps them, what is known of them, and who may have them.

``store`` is the seam between Coatcheck and a place for files, ``folder`` and ``s3`` are such places. Nothing
is imported here: whoever has no file to deal with pays for nothing.
"""
