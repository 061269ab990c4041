"""``coatcheck token``: makes, lists and revokes the tokens that the API takes."""
