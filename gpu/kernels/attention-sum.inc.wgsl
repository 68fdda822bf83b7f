// Sums of rows: to each of the lane's own sums V in SUM is added, for all J, BY_J_V times row J of the step's OTHER, in buffer
// OTHER_IN, with HELD in an array. SHRINK: the sum so far is multiplied by shrink_V before. With SECOND other than none, a
// sum of the same rows by SECOND_BY_J_V runs beside it, and the first gets shift_V times the second's old value before.
#include attention-chunks BODY=attention-sum-chunk
