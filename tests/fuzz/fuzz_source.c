/* A table of sources that a site wrote. */
#include <stddef.h>
#include <stdint.h>

#include "packer/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source_table *table;
    if (source_table_open(&table, NULL) < 0)
        return 0;
    (void)source_table_parse(table, "dir/sources", (const char *)data, size, NULL);
    auto_source struct source source = SOURCE_INIT;
    (void)source_find(table, "cvmfs", machine_find("rhel9-x86_64"), &source);
    auto_text struct text text = TEXT_INIT;
    (void)source_table_write(table, &text);
    source_table_close(table);
    return 0;
}
