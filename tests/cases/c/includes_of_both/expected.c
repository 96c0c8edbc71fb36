#include <stdio.h>
#include <string.h>
#include <errno.h>

int main(void)
{
	printf("total %d\n", total(1));
	return 0;
}
