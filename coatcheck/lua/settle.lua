-- Needs: full, settling
-- See to jobs of whose dependencies one has changed, and nobody has seen to since. ARGV: prefix. Returns whether
-- some are left.
even_when_full()
return settling().all() and 1 or 0
