-- Our code for a word of a list, or NULL: known_code('condition', 'snomed_ct', '24700007'), known_code('symptom', 'word', 'fatigue'),
-- known_code('instrument', 'items', 'mfis') for the number of its items. A cast to an enum is a look-up in a hash table.
-- Inputs: type known_word, variable known_codes in the order of its words.  Params: list, standard, given
CREATE OR REPLACE TEMP MACRO known_code(list, standard, given) AS
    getvariable('known_codes')[enum_code(TRY_CAST(list || ' ' || standard || ' ' || given AS known_word)) + 1]
