-- People who were forgotten after a release had been drafted.  Grain: one row.  Params: $before, how many had been then.
SELECT count(*)::INTEGER - $before::INTEGER AS erased_count FROM ops.erasure
