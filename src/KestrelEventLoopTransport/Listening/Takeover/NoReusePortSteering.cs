namespace KestrelEventLoopTransport.Listening.Takeover;

/// <summary>For kernels that let no program choose. Connections go where the kernel sends them.</summary>
internal sealed class NoReusePortSteering : IReusePortSteering
{
    internal static readonly NoReusePortSteering Instance = new();

    public bool MayHaveOthers() => true;

    public void SteerToOwn()
    {
    }

    public void SteerToOthers()
    {
    }

    public void DropNewHandshakes()
    {
    }

    public void Stop()
    {
    }
}
