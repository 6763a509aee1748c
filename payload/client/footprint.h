/* Resident memory. */
#ifndef CVMFSEXEC_CLIENT_FOOTPRINT_H
#define CVMFSEXEC_CLIENT_FOOTPRINT_H

/* Gives back the pages of program text and constants that only the loading of libraries and their
 * initialisation have touched: several MB with libcurl. What is needed again comes from the page
 * cache when it is touched. To be called once or twice in the life of a process. */
void footprint_trim(void);

#endif
