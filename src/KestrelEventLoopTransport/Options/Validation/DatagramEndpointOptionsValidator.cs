using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Options.Validation;

/// <summary>Checks the options of a datagram endpoint when it is bound.</summary>
internal static class DatagramEndpointOptionsValidator
{
    private const int MaxDatagramSize = 65_535;
    private const string AnyInterface = "it must be the name or the number of a network interface, from 1 to 15 bytes";

    /// <exception cref="OptionsValidationException">A value is out of range.</exception>
    internal static void Check(string endpoint, EndPoint address, DatagramEndpointOptions options)
    {
        var problems = new List<string>();
        CheckRange(nameof(options.MaxDatagramSize), options.MaxDatagramSize, MaxDatagramSize);
        CheckRange(nameof(options.MaxSendQueueSize), options.MaxSendQueueSize, long.MaxValue);
        CheckRange(nameof(options.ReceiveBufferSize), options.ReceiveBufferSize ?? 1, int.MaxValue);
        CheckRange(nameof(options.SendBufferSize), options.SendBufferSize ?? 1, int.MaxValue);
        foreach (var (option, problem) in EndpointOptionsValidator.Check(options.Unix))
        {
            Add(option, problem);
        }

        CheckMulticast(options.Multicast, Add);
        if (address is UnixDomainSocketEndPoint)
        {
            RefuseIPOptions(options, Add);
        }

        if (problems.Count != 0)
        {
            throw new OptionsValidationException(endpoint, typeof(DatagramEndpointOptions), problems);
        }

        void CheckRange(string option, long value, long max)
        {
            if (value < 1 || value > max)
            {
                Add(option, $"{value}; it must be from 1 to {max}");
            }
        }

        void Add(string option, string problem)
            => problems.Add($"{nameof(DatagramEndpointOptions)}.{option} of {endpoint} is {problem}.");
    }

    private static void RefuseIPOptions(DatagramEndpointOptions options, Action<string, string> add)
    {
        RefuseIf(options.SocketPerLoop, nameof(options.SocketPerLoop));
        RefuseIf(options.ReceiveOffload, nameof(options.ReceiveOffload));
        RefuseIf(options.ReusePort, nameof(options.ReusePort));
        RefuseIf(options.Broadcast, nameof(options.Broadcast));
        RefuseIf(options.DualMode is not null, nameof(options.DualMode));
        RefuseIf(options.RemoteEndPoint is not null, nameof(options.RemoteEndPoint));
        RefuseIf(options.Multicast.Groups.Count != 0, "Multicast.Groups");
        RefuseIf(options.Multicast.Interface is not null, "Multicast.Interface");
        RefuseIf(options.Multicast.TimeToLive is not null, "Multicast.TimeToLive");
        RefuseIf(options.Multicast.Loopback is not null, "Multicast.Loopback");

        void RefuseIf(bool isSet, string option)
        {
            if (isSet)
            {
                add(option, "set; a Unix socket has no such option");
            }
        }
    }

    private static void CheckMulticast(MulticastOptions options, Action<string, string> add)
    {
        if (options.TimeToLive is < 0 or > byte.MaxValue)
        {
            add("Multicast.TimeToLive", $"{options.TimeToLive}; it must be from 0 to {byte.MaxValue}");
        }

        CheckInterface("Multicast.Interface", options.Interface);
        foreach (var group in options.Groups)
        {
            foreach (var (option, problem) in Check(group))
            {
                add($"Multicast.Groups.{option}", problem);
            }
        }

        void CheckInterface(string option, string? name)
        {
            if (!IsInterface(name))
            {
                add(option, $"'{name}'; {AnyInterface}");
            }
        }
    }

    /// <summary>What is wrong with a group.</summary>
    internal static IEnumerable<(string Option, string Problem)> Check(MulticastGroup group)
    {
        if (!IPAddress.TryParse(group.Address, out var address) || !IsMulticast(address))
        {
            yield return (nameof(group.Address), $"'{group.Address}'; it must be a multicast address");
        }

        if (!IsInterface(group.Interface))
        {
            yield return (nameof(group.Interface), $"'{group.Interface}'; {AnyInterface}");
        }

        if (group.Source is not null
            && (!IPAddress.TryParse(group.Source, out var source) || IsMulticast(source)
                || source.AddressFamily != address?.AddressFamily))
        {
            yield return (
                nameof(group.Source), $"'{group.Source}'; it must be a sender's address, of the group's family");
        }
    }

    private static bool IsInterface(string? name)
        => name is null || (Encoding.UTF8.GetByteCount(name) is >= 1 and <= 15 && !name.Contains('\0'));

    private static bool IsMulticast(IPAddress address)
        => address.AddressFamily == AddressFamily.InterNetworkV6
            ? address.IsIPv6Multicast
            : (address.GetAddressBytes()[0] & 0xF0) == 0xE0;
}
