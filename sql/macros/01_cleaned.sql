-- A delivered text without the blanks around it; NULL where nothing is left.  Params: delivered
CREATE OR REPLACE MACRO cleaned(delivered) AS nullif(trim(delivered, E' \t\r\n' || chr(160)), '')
