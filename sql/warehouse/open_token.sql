-- Words in one open column that no code list knows, of current records.  Grain: column_name, word.  Parts: name, words, history.
SELECT {name} AS column_name, word, count(*) AS record_count
FROM (SELECT {words} AS word FROM {history} WHERE superseded_in IS NULL AND NOT is_deleted)
WHERE contains(word, ':')
GROUP BY ALL
