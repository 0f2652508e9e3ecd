namespace KestrelEventLoopTransport.Benchmarks.Driver;

/// <param name="Managed">Live managed bytes after full collections.</param>
/// <param name="Resident">Resident bytes of the process.</param>
internal readonly record struct IdleMemory(double Managed, double Resident)
{
    public IdleMemory PerConnection(IdleMemory baseline, int connections)
        => new((Managed - baseline.Managed) / connections, (Resident - baseline.Resident) / connections);
}
