namespace KestrelEventLoopTransport.Benchmarks.Driver;

// Managed: Live managed bytes after full collections.
// Resident: Resident bytes of the process.
internal readonly record struct IdleMemory(double Managed, double Resident)
{
    public IdleMemory PerConnection(IdleMemory baseline, int connections)
        => new((Managed - baseline.Managed) / connections, (Resident - baseline.Resident) / connections);
}
