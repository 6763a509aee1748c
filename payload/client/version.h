/* The version of the official client whose behaviour this one has, as programs ask for it. */
#ifndef CVMFSEXEC_CLIENT_VERSION_H
#define CVMFSEXEC_CLIENT_VERSION_H

#define OFFICIAL_VERSION "2.12.0"

#endif
