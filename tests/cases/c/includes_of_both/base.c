#include <stdio.h>

int main(void)
{
	printf("total %d\n", total(1));
	return 0;
}
