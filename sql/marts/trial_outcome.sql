-- The outcomes that are compared, and for which treatments each is a negative control: no more than chance should show.
-- Grain: outcome_code.  Inputs: none.
-- `control_treatments`: aids that are held, fixed to a wall or worn do not make a muscle stronger within months; so a difference in
-- how strong people feel says how much people differ who take to them. `control_categories`: none of these reaches the eyes.
SELECT
    outcome_code::VARCHAR AS outcome_code,
    outcome_kind::VARCHAR AS outcome_kind,
    position::INTEGER AS position,
    control_treatments::VARCHAR[] AS control_treatments,
    control_categories::VARCHAR[] AS control_categories
FROM (
    VALUES
        (
            'muscle_weakness', 'symptom', 1,
            [
                'cane', 'crutches', 'trekking_poles', 'walker', 'wheelchair', 'power_wheelchair', 'scooter', 'grab_bar',
                'shower_chair', 'raised_toilet_seat', 'ramp', 'stair_lift', 'bed_rail', 'transfer_aid', 'jar_opener', 'reacher',
                'dressing_aid', 'adapted_utensils', 'phone_aid', 'hand_controls'
            ],
            []
        ),
        ('fatigue', 'symptom', 2, [], []),
        ('msws_12', 'instrument', 3, [], []),
        ('fss', 'instrument', 4, [], []),
        (
            'vision_problems', 'symptom', 5, [],
            ['physical_therapy', 'exercise', 'assistive_device', 'diet_hydration', 'rest_pacing']
        )
) AS outcome(outcome_code, outcome_kind, position, control_treatments, control_categories)
