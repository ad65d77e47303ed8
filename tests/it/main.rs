mod inputs_agree;
