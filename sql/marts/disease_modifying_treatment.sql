-- Disease-modifying treatments of MS and their class, as the code list of treatments has them (a test holds the two together).
-- Grain: treatment_code.  Inputs: none.
WITH treatment(treatment_code, dmt_class) AS (
    VALUES
        ('ocrelizumab', 'anti_cd20'), ('ofatumumab', 'anti_cd20'), ('ublituximab', 'anti_cd20'), ('rituximab', 'anti_cd20'),
        ('natalizumab', 'anti_integrin'), ('alemtuzumab', 'anti_cd52'),
        ('fingolimod', 's1p'), ('siponimod', 's1p'), ('ozanimod', 's1p'), ('ponesimod', 's1p'),
        ('dimethyl_fumarate', 'fumarate'), ('diroximel_fumarate', 'fumarate'), ('monomethyl_fumarate', 'fumarate'),
        ('glatiramer_acetate', 'glatiramer'),
        ('interferon_beta_1a', 'interferon'), ('peginterferon_beta_1a', 'interferon'), ('interferon_beta_1b', 'interferon'),
        ('tolebrutinib', 'btk'),
        ('teriflunomide', 'other'), ('cladribine', 'other'), ('mitoxantrone', 'other'), ('daclizumab', 'other')
)
SELECT
    treatment_code::VARCHAR AS treatment_code,
    dmt_class::VARCHAR AS dmt_class
FROM treatment
