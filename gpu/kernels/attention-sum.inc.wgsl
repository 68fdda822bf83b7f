// Sums of rows: to each of the lane's own sums V in SUM is added, for all J, BY_J_V times row J of the step's OTHER, in buffer
// OTHER_IN, with HELD in an array. SHRINK: the sum so far is multiplied by shrink_V before. With SECOND other than none, a
// sum of the same rows by SECOND_BY_J_V runs beside it, and the first gets shift_V times the second's old value before.
#if HELD == yes
#for C 0 CHUNKS
{
  let c = $(C)u;
  #include attention-sum-chunk
}
#end
#else
// Not a loop that asks at its head: the adapters run what follows a break in its last round too, for no lane.
{
  var c = 0u;
  loop {
    #include attention-sum-chunk
    continuing {
      c++;
      break if c >= p.shape.chunks;
    }
  }
}
#end
