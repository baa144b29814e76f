/* Normally distributed noise that a seed repeats, on every machine. */
#pragma once

#include <glib.h>

/** Where noise comes from: writes @n values of mean 0 and variance 1 to @values. */
typedef void (*VelmNoiseSource)(float *values, gsize n, gpointer data);

/** A source whose @data is a GRand. */
void velm_normal_noise(float *values, gsize n, gpointer data);
