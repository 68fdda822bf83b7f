// Hands the pairs' numbers BY_i_j to the whole workgroup, once nobody reads those before them.
workgroupBarrier();
#for I 0 ROWS_EACH
#for J 0 2
weights[(y + $(16 * I)u) * 33u + x + $(16 * J)u] = $(BY)_$(I)_$J;
#end
#end
