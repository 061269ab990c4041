"""``coatcheck secret``: shows and renews the secret that callbacks are signed with."""
