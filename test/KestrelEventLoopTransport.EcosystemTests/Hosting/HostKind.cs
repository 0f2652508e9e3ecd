namespace KestrelEventLoopTransport.EcosystemTests.Hosting;

/// <summary>The ways to build a host for Kestrel.</summary>
public enum HostKind
{
    /// <summary><c>WebApplication.CreateBuilder</c></summary>
    Web,

    /// <summary><c>WebApplication.CreateSlimBuilder</c></summary>
    Slim,

    /// <summary><c>WebApplication.CreateEmptyBuilder</c></summary>
    Empty,

    /// <summary><c>Host.CreateDefaultBuilder</c> with <c>ConfigureWebHostDefaults</c></summary>
    Generic,

    /// <summary><c>new HostBuilder()</c> with <c>ConfigureWebHost</c></summary>
    Bare,
}
