namespace KestrelEventLoopTransport.Benchmarks.Driver;

// Of one request at a low rate: microseconds of CPU, context switches, and how often each system call was made.
internal sealed record QuietWindow(double Cpu, double Switches, IReadOnlyDictionary<string, double> Calls)
{
    public double AllCalls => Calls.Values.Sum();
}
