package tpmseal

var Under = under
