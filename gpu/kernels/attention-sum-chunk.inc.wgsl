// What is added to chunk c of sums (attention-sum.inc.wgsl).
// The rows of a step come from the lanes that keep them, by broadcast.
#include attention-chunk-rows INTO=row_of NAME=OTHER IN=OTHER_IN COUNT=SLOTS
#for V 0 QV
var sum_$V = $(SUM)[own_cell(c * $(QV)u + $(V)u, lane)];
#if SHRINK == yes
sum_$V *= shrink_$V;
#end
#if SECOND != none
var second_$V = $(SECOND)[own_cell(c * $(QV)u + $(V)u, lane)];
sum_$V += shift_$V * second_$V;
#end
#end
#for J 0 T
{
  let y = subgroupBroadcast(row_of_$(J / LANES), $(J % LANES)u);
  #for V 0 QV
  sum_$V = sum_$V + $(BY)_$(J)_$V * y;
  #if SECOND != none
  second_$V = second_$V + $(SECOND_BY)_$(J)_$V * y;
  #end
  #end
}
#end
#for V 0 QV
$(SUM)[own_cell(c * $(QV)u + $(V)u, lane)] = sum_$V;
#if SECOND != none
$(SECOND)[own_cell(c * $(QV)u + $(V)u, lane)] = second_$V;
#end
#end
