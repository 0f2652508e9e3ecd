using System.Net;
using System.Text;
using KestrelEventLoopTransport.Datagrams;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Tests.Datagrams;

/// <summary>Options from <c>Kestrel:EventLoopTransport:Datagrams</c>, and their ranges.</summary>
[Trait("Contract", "options")]
public sealed class DatagramConfigurationTests
{
    private const string Section = "Kestrel:EventLoopTransport:Datagrams";

    private const string Everything = """
        {
          "Kestrel": {
            "EventLoopTransport": {
              "Datagrams": {
                "MaxDatagramSize": 1000,
                "MaxSendQueueSize": 2000,
                "ReceiveBufferSize": 3000,
                "SendBufferSize": 4000,
                "SegmentationOffload": false,
                "ReceiveOffload": true,
                "SocketPerLoop": true,
                "ReusePort": true,
                "DualMode": false,
                "Broadcast": true,
                "RemoteEndPoint": "127.0.0.1:53",
                "Multicast": {
                  "Groups": [
                    { "Address": "239.1.1.1", "Interface": "lo", "Source": "127.0.0.1" },
                    { "Address": "ff02::1", "Interface": "1" }
                  ],
                  "Interface": "lo",
                  "TimeToLive": 5,
                  "Loopback": false
                },
                "Unix": { "FileMode": "0660", "Owner": "root", "Group": "0" }
              }
            }
          }
        }
        """;

    private static readonly IPEndPoint _address = IPEndPoint.Parse("127.0.0.1:5353");

    private static readonly (Action<DatagramEndpointOptions> Set, string Message)[] _wrong =
    [
        (static o => o.MaxDatagramSize = 0, "MaxDatagramSize of udp://x is 0; it must be from 1 to 65535."),
        (static o => o.MaxDatagramSize = 65_536, "MaxDatagramSize of udp://x is 65536; it must be from 1 to 65535."),
        (static o => o.MaxSendQueueSize = 0,
            "MaxSendQueueSize of udp://x is 0; it must be from 1 to 9223372036854775807."),
        (static o => o.ReceiveBufferSize = 0, "ReceiveBufferSize of udp://x is 0; it must be from 1 to 2147483647."),
        (static o => o.SendBufferSize = -1, "SendBufferSize of udp://x is -1; it must be from 1 to 2147483647."),
        (static o => o.Unix.Owner = "",
            "Unix.Owner of udp://x is ''; it must have from 1 to 255 bytes, none of them zero."),
        (static o => o.Multicast.TimeToLive = 256, "Multicast.TimeToLive of udp://x is 256; it must be from 0 to 255."),
        (static o => o.Multicast.TimeToLive = -1, "Multicast.TimeToLive of udp://x is -1; it must be from 0 to 255."),
        (static o => o.Multicast.Interface = "",
            "Multicast.Interface of udp://x is ''; it must be the name or the number of a network interface, from 1 to "
                + "15 bytes."),
        (static o => o.Multicast.Groups.Add(new() { Address = "127.0.0.1" }),
            "Multicast.Groups.Address of udp://x is '127.0.0.1'; it must be a multicast address."),
        (static o => o.Multicast.Groups.Add(new()),
            "Multicast.Groups.Address of udp://x is ''; it must be a multicast address."),
        (static o => o.Multicast.Groups.Add(new() { Address = "ff02::1", Interface = "sixteen-letters-" }),
            "Multicast.Groups.Interface of udp://x is 'sixteen-letters-'; it must be the name or the number of a "
                + "network interface, from 1 to 15 bytes."),
        (static o => o.Multicast.Groups.Add(new() { Address = "ff02::1", Source = "127.0.0.1" }),
            "Multicast.Groups.Source of udp://x is '127.0.0.1'; it must be a sender's address, of the group's family."),
        (static o => o.Multicast.Groups.Add(new() { Address = "239.1.1.1", Source = "239.1.1.2" }),
            "Multicast.Groups.Source of udp://x is '239.1.1.2'; it must be a sender's address, of the group's family."),
    ];

    public static TheoryData<string, string, string> Wrong => new()
    {
        { "MaxDatagramSizes", "1", $"{Section}:MaxDatagramSizes is not an option of the event-loop transport." },
        { "ConfigureSocket", "x", $"{Section}:ConfigureSocket is not an option of the event-loop transport." },
        { "Multicast:Group", "x", $"{Section}:Multicast:Group is not an option of the event-loop transport." },
        { "Url", "udp://*:1", $"{Section}:Url is not an option of the event-loop transport." },
        {
            "Broadcast", "1",
            $"Failed to convert configuration value '1' at '{Section}:Broadcast' to type 'System.Boolean'."
        },
        { "RemoteEndPoint", "127.0.0.1", $"{Section}:RemoteEndPoint is '127.0.0.1'; it must be address:port." },
        { "Unix:FileMode", "888", $"{Section}:Unix:FileMode is '888'; it must be from 000 to 777 (octal)." },
        { "Endpoints:A:Broadcast", "true", $"{Section}:Endpoints:A has no Url." },
    };

    [Fact]
    public void Every_option_is_read()
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(Everything));
        var configuration = new ConfigurationBuilder().AddJsonStream(stream).Build();

        var options = Read(configuration, _address);

        Assert.Equal(1000, options.MaxDatagramSize);
        Assert.Equal(2000, options.MaxSendQueueSize);
        Assert.Equal(3000, options.ReceiveBufferSize);
        Assert.Equal(4000, options.SendBufferSize);
        Assert.False(options.SegmentationOffload);
        Assert.True(options.ReceiveOffload);
        Assert.True(options.SocketPerLoop);
        Assert.True(options.ReusePort);
        Assert.False(options.DualMode);
        Assert.True(options.Broadcast);
        Assert.Equal(IPEndPoint.Parse("127.0.0.1:53"), options.RemoteEndPoint);
        Assert.Equal(
            [("239.1.1.1", "lo", "127.0.0.1"), ("ff02::1", "1", null)],
            options.Multicast.Groups.Select(static group => (group.Address, group.Interface, group.Source)));
        Assert.Equal("lo", options.Multicast.Interface);
        Assert.Equal(5, options.Multicast.TimeToLive);
        Assert.False(options.Multicast.Loopback);
        Assert.Equal((UnixFileMode)0b110_110_000, options.Unix.FileMode);
        Assert.Equal("root", options.Unix.Owner);
        Assert.Equal("0", options.Unix.Group);
        var section = configuration.GetSection(Section);
        Assert.All(
            typeof(DatagramEndpointOptions).GetProperties()
                .Where(static property => property.Name != nameof(options.ConfigureSocket)),
            property => Assert.True(section.GetSection(property.Name).Exists(), $"{property.Name} is missing."));
    }

    [Fact]
    public void An_endpoint_has_the_options_of_all_and_then_its_own()
    {
        var configuration = Values(
            ("ReceiveBufferSize", "1"),
            ("SendBufferSize", "2"),
            ("Endpoints:A:Url", "udp://127.0.0.1:5353"),
            ("Endpoints:A:SendBufferSize", "3"),
            ("Endpoints:B:Url", "unix:@b"),
            ("Endpoints:B:SendBufferSize", "4"));

        var own = Read(configuration, _address);
        var other = Read(configuration, IPEndPoint.Parse("127.0.0.1:5354"));
        var unix = Read(configuration, DatagramUrl.Parse("unix:@b"));

        Assert.Equal((1, 3), (own.ReceiveBufferSize, own.SendBufferSize));
        Assert.Equal((1, 2), (other.ReceiveBufferSize, other.SendBufferSize));
        Assert.Equal((1, 4), (unix.ReceiveBufferSize, unix.SendBufferSize));
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void What_is_wrong_is_refused_with_exactly_this_message(string key, string value, string message)
    {
        var exception = Assert.Throws<OptionsValidationException>(() => Read(Values((key, value)), _address));

        Assert.Equal(message, exception.Message);
    }

    [Fact]
    public async Task Each_value_out_of_range_is_refused_with_exactly_this_message()
    {
        foreach (var (set, message) in _wrong)
        {
            var start = DatagramServer.StartAsync(
                ApplicationScheduling.Adaptive, DatagramScript.Echo, set, url: "udp://127.0.0.1:0");
            var exception = await Assert.ThrowsAsync<OptionsValidationException>(() => start);
            Assert.Equal(
                "DatagramEndpointOptions." + message.Replace("udp://x", "udp://127.0.0.1:0", StringComparison.Ordinal),
                exception.Message);
        }
    }

    [Fact]
    public async Task Configuration_reaches_the_socket_code_has_the_last_word_and_what_is_unused_is_warned_of()
    {
        var buffers = (Receive: 0, Send: 0);
        var settings = new TestSettings
        {
            Scheduling = ApplicationScheduling.Adaptive,
            Configuration = new()
            {
                [$"{Section}:ReceiveBufferSize"] = "10000",
                [$"{Section}:Endpoints:Echo:Url"] = "udp://127.0.0.1:0",
                [$"{Section}:Endpoints:Echo:SendBufferSize"] = "20000",
                [$"{Section}:Endpoints:Unused:Url"] = "udp://127.0.0.1:1",
            },
        };

        await using var server = await DatagramServer.StartAsync(settings, DatagramScript.Echo, options =>
        {
            options.SendBufferSize += 10_000;
            options.ConfigureSocket = socket
                => buffers = (socket.Socket.ReceiveBufferSize, socket.Socket.SendBufferSize);
        });

        // The kernel doubles them (socket(7)).
        Assert.Equal(OperatingSystem.IsLinux() ? (20_000, 60_000) : (10_000, 30_000), buffers);
        Assert.Equal(
            [$"The options of {Section}:Endpoints:Unused have no effect because no datagram endpoint has its URL."],
            settings.Logs.Entries.Where(static entry => entry.EventId.Name == "DatagramEndpointNotBound")
                .Select(static entry => entry.Message));
    }

    private static DatagramEndpointOptions Read(IConfiguration configuration, EndPoint endPoint)
    {
        var options = new DatagramEndpointOptions();
        new DatagramConfiguration(configuration).Apply(endPoint, options);
        return options;
    }

    private static IConfigurationRoot Values(params ReadOnlySpan<(string Key, string Value)> values)
    {
        var data = new Dictionary<string, string?>();
        foreach (var (key, value) in values)
        {
            data[$"{Section}:{key}"] = value;
        }

        return new ConfigurationBuilder().AddInMemoryCollection(data).Build();
    }
}
