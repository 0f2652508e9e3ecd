using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Options.Configuration;

/// <summary>
/// Reads the options of a transport with a key from <c>Kestrel:EventLoopTransports:{name}</c>, if there is a
/// configuration. A key that is not an option, or a value that does not have the option's type, is an error.
/// </summary>
internal sealed class KeyedTransportConfiguration(IConfiguration? configuration = null)
    : IConfigureNamedOptions<EndpointOptions>
{
    private const string Root = "Kestrel:EventLoopTransports";

    public void Configure(EndpointOptions options)
    {
        // Options without a name belong to no transport.
    }

    public void Configure(string? name, EndpointOptions options)
    {
        if (configuration is not null && !string.IsNullOrEmpty(name))
        {
            new ObservedValues(configuration.GetSection($"{Root}:{name}")).Read(section => section.Bind(options));
        }
    }
}
