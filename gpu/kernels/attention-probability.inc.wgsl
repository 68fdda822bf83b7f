// P of a pair from `product` = <q, k>, `stat` of its query and whether it is `seen`; with CAP the cap's `slope` besides.
#if CAP == yes
let capped = tanh(clamp(p.scale * product / p.cap, -10.0, 10.0));
let slope = 1.0 - capped * capped;
let score = p.cap * capped;
#else
let score = product;
#end
let probability = select(0.0, exp2(p.raise * (score - stat.x)) * stat.y, seen);
