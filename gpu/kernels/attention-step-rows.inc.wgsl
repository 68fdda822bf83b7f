// Chunk c of the rows of a step's OTHER that the lane keeps; the others' come from its neighbours by broadcast.
#for S 0 SLOTS
#if HELD == yes
let row_of_$S = $(OTHER)_rows[c * $(SLOTS)u + $(S)u];
#else
let row_of_$S = $(OTHER_IN)[$(OTHER)_at_$S + c * 16u];
#end
#end
